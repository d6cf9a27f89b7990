import com.google.gson.Gson;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.ListValue;
import com.google.protobuf.Message;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import interactions.v1.BatchCreateInteractionsRequest;
import interactions.v1.BatchCreateInteractionsResponse;
import interactions.v1.Condition;
import interactions.v1.Filter;
import interactions.v1.Group;
import interactions.v1.Interaction;
import interactions.v1.InteractionServiceGrpc;
import interactions.v1.ListInteractionsRequest;
import interactions.v1.ListInteractionsResponse;
import interactions.v1.WriteInteractionsRequest;
import interactions.v1.WriteInteractionsResponse;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A tour of the service in Java: record, list with a filter, resume, read an error, retry.
 *
 * <p>examples/README.md says how to build it. The key needs the scopes {@code read} and {@code write}. Every
 * run records 320 interactions in a session of its own.
 */
public final class Tour {
  /**
   * The library makes a call again that fails so before its first answer. It is safe where a call may
   * be repeated: reads, and writes whose interactions carry ids. docs/clients.md says why no other
   * code.
   */
  private static final String SERVICE_CONFIG =
      """
      {
        "methodConfig": [{
          "name": [{"service": "interactions.v1.InteractionService"}],
          "retryPolicy": {
            "maxAttempts": 5,
            "initialBackoff": "0.2s",
            "maxBackoff": "10s",
            "backoffMultiplier": 3,
            "retryableStatusCodes": ["UNAVAILABLE"]
          }
        }]
      }
      """;

  /** With these a list may end early and be resumed. */
  private static final Set<Status.Code> RESUMABLE =
      EnumSet.of(
          Status.Code.UNAVAILABLE, Status.Code.DEADLINE_EXCEEDED, Status.Code.RESOURCE_EXHAUSTED);

  /** How many seconds a call may take, with all its attempts. */
  private static final int TIMEOUT = 30;

  private final String session = "tour-" + UUID.randomUUID();
  private final InteractionServiceGrpc.InteractionServiceBlockingStub blocking;
  private final InteractionServiceGrpc.InteractionServiceStub async;

  private Tour(ManagedChannel channel, Metadata access) {
    var attach = MetadataUtils.newAttachHeadersInterceptor(access);
    blocking = InteractionServiceGrpc.newBlockingStub(channel).withInterceptors(attach);
    async = InteractionServiceGrpc.newStub(channel).withInterceptors(attach);
  }

  public static void main(String[] arguments) throws Exception {
    var environment = System.getenv();
    var channel =
        ManagedChannelBuilder.forTarget(environment.getOrDefault("INTERACTIONS_ADDR", "127.0.0.1:50051"))
            // Where the service has TLS: useTransportSecurity().
            .usePlaintext()
            .defaultServiceConfig(new Gson().<Map<String, Object>>fromJson(SERVICE_CONFIG, Map.class))
            .enableRetry()
            // A network may drop a connection that is silent, and tell nobody: this asks whether it lives.
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(20, TimeUnit.SECONDS)
            .build();
    try {
      var tour = new Tour(channel, access(environment));
      tour.record();
      tour.listFiltered();
      tour.resume();
      tour.readError();
    } finally {
      channel.shutdownNow().awaitTermination(TIMEOUT, TimeUnit.SECONDS);
    }
  }

  /** What goes with every call: the key, and the namespace unless the key has a default. */
  private static Metadata access(Map<String, String> environment) {
    var access = new Metadata();
    access.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
        "Bearer " + environment.get("INTERACTIONS_API_KEY"));
    var namespace = environment.getOrDefault("INTERACTIONS_NAMESPACE", "");
    if (!namespace.isEmpty()) {
      access.put(Metadata.Key.of("x-namespace", Metadata.ASCII_STRING_MARSHALLER), namespace);
    }
    return access;
  }

  /** The n-th interaction of the session, with an id, so that to record it again does no harm. */
  private Interaction sample(int n) {
    var metadata =
        Struct.newBuilder()
            .putFields("device", text(n % 2 == 0 ? "mobile" : "desktop"))
            .putFields("price", Value.newBuilder().setNumberValue(n / 2.0).build());
    return Interaction.newBuilder()
        .setInteractionId(String.format("%s-%03d", session, n))
        .setFeatureId("product-" + n % 7)
        .addInteractionType(List.of("impression", "click", "purchase").get(n % 3))
        .setPosition(n % 10)
        .setSessionId(session)
        .setMetadata(metadata)
        .build();
  }

  private List<Interaction> samples(int from, int to) {
    return IntStream.range(from, to).mapToObj(this::sample).collect(Collectors.toList());
  }

  private static Value text(String text) {
    return Value.newBuilder().setStringValue(text).build();
  }

  private BatchCreateInteractionsResponse createBatch(List<Interaction> interactions) {
    var request = BatchCreateInteractionsRequest.newBuilder().addAllInteractions(interactions);
    return blocking.withDeadlineAfter(TIMEOUT, TimeUnit.SECONDS).batchCreateInteractions(request.build());
  }

  /** Records 20 interactions in one call and 300 on a stream, and the 20 again. */
  private void record() throws Exception {
    var created = createBatch(samples(0, 20));

    var recorder = new Recorder(samples(20, 320));
    async.withDeadlineAfter(TIMEOUT, TimeUnit.SECONDS).writeInteractions(recorder);
    long recorded = recorder.recorded.get();

    var again = createBatch(samples(0, 20));
    long deduplicated =
        again.getResultsList().stream()
            .filter(BatchCreateInteractionsResponse.ItemResult::getDeduplicated)
            .count();
    System.out.printf(
        "recorded %d in a batch and %d on a stream; of the batch again, %d were there%n",
        created.getResultsCount(), recorded, deduplicated);
  }

  /** Sends interactions on a stream in batches of 100, as fast as the service takes them. */
  private static final class Recorder
      implements ClientResponseObserver<WriteInteractionsRequest, WriteInteractionsResponse> {
    /** How many interactions are recorded, once the stream has ended. */
    final CompletableFuture<Long> recorded = new CompletableFuture<>();

    private final List<Interaction> interactions;
    private int sent = 0;
    private boolean closed = false;
    private long count = 0;

    Recorder(List<Interaction> interactions) {
      this.interactions = interactions;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<WriteInteractionsRequest> requests) {
      requests.setOnReadyHandler(() -> send(requests));
    }

    private void send(ClientCallStreamObserver<WriteInteractionsRequest> requests) {
      while (requests.isReady() && sent < interactions.size()) {
        int end = Math.min(sent + 100, interactions.size());
        requests.onNext(
            WriteInteractionsRequest.newBuilder()
                .setRequestId(Integer.toString(sent))
                .addAllInteractions(interactions.subList(sent, end))
                .build());
        sent = end;
      }
      if (sent == interactions.size() && !closed) {
        closed = true;
        requests.onCompleted();
      }
    }

    @Override
    public void onNext(WriteInteractionsResponse answer) {
      // Each interaction has a status of its own: what is refused does not stop its neighbours.
      count +=
          answer.getResultsList().stream()
              .filter(result -> result.getStatus().getCode() == Status.Code.OK.value())
              .count();
    }

    @Override
    public void onError(Throwable error) {
      recorded.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
      recorded.complete(count);
    }
  }

  /**
   * Hands out the pages from the request's token to the end, over streams that break, until {@code
   * wanted} is false.
   */
  private void pages(ListInteractionsRequest.Builder request, Predicate<ListInteractionsResponse> wanted) {
    while (true) {
      var cameFurther = false;
      // Where the caller wants no more, the service stops too.
      try (var context = Context.current().withCancellation()) {
        var before = context.attach();
        try {
          Iterator<ListInteractionsResponse> stream = blocking.listInteractions(request.build());
          while (stream.hasNext()) {
            var page = stream.next();
            // Only an empty token means the end: a stream that breaks has not come to it.
            if (!wanted.test(page) || page.getNextPageToken().isEmpty()) {
              return;
            }
            request.setPageToken(page.getNextPageToken());
            cameFurther = true;
          }
        } catch (StatusRuntimeException error) {
          if (!cameFurther || !RESUMABLE.contains(error.getStatus().getCode())) {
            throw error;
          }
        } finally {
          context.detach(before);
        }
      }
    }
  }

  private List<String> ids(ListInteractionsRequest.Builder request) {
    var ids = new ArrayList<String>();
    pages(
        request,
        page -> {
          ids.addAll(idsOf(page.getInteractionsList()));
          return true;
        });
    return ids;
  }

  private static List<String> idsOf(List<Interaction> interactions) {
    return interactions.stream().map(Interaction::getInteractionId).collect(Collectors.toList());
  }

  /** Lists the clicks and purchases near the top, with the filter as a message and as JSON. */
  private void listFiltered() throws InvalidProtocolBufferException {
    var types = ListValue.newBuilder().addValues(text("click")).addValues(text("purchase"));
    var group =
        Group.newBuilder()
            .setOperator(Group.Operator.ALL_OF)
            .addFilters(
                condition("position", Condition.Operator.LTE, Value.newBuilder().setNumberValue(5)))
            .addFilters(
                condition("interaction_type", Condition.Operator.IN, Value.newBuilder().setListValue(types)));
    var typed = ids(ofSession().setFilter(Filter.newBuilder().setGroup(group)));

    var filters = Struct.newBuilder();
    JsonFormat.parser()
        .merge("{\"position\": {\"lte\": 5}, \"interaction_type\": [\"click\", \"purchase\"]}", filters);
    var asJson = ids(ofSession().setFilters(filters));

    check(typed.equals(asJson), "the two forms of the filter differ");
    System.out.printf(
        "found %d clicks and purchases near the top, with either form of the filter%n", typed.size());
  }

  private ListInteractionsRequest.Builder ofSession() {
    return ListInteractionsRequest.newBuilder().setSessionId(session);
  }

  private static Filter condition(String field, Condition.Operator operator, Value.Builder value) {
    return Filter.newBuilder()
        .setCondition(Condition.newBuilder().setField(field).setOperator(operator).setValue(value))
        .build();
  }

  /** Leaves a list after three pages, and goes on from there in another call. */
  private void resume() {
    var read = new ArrayList<ListInteractionsResponse>();
    pages(
        ofSession().setPageSize(25),
        page -> {
          read.add(page);
          return read.size() < 3;
        });
    var seen = new ArrayList<String>();
    read.forEach(page -> seen.addAll(idsOf(page.getInteractionsList())));

    // The same request but for the token, which may be kept: it outlives restarts of the service.
    var token = read.get(read.size() - 1).getNextPageToken();
    var rest = ids(ofSession().setPageSize(25).setPageToken(token));

    System.out.printf("read %d, left, and read %d more: ", seen.size(), rest.size());
    seen.addAll(rest);
    seen.sort(null);
    check(seen.equals(idsOf(samples(0, 320))), "something is missing, or was seen twice");
    System.out.println("each of 320 once");
  }

  /** Sends what breaks two rules, and reads which and where from the details of the error. */
  private void readError() throws InvalidProtocolBufferException {
    var bad =
        List.of(
            sample(0).toBuilder().setPosition(-1).build(),
            sample(1).toBuilder().clearInteractionType().build());
    try {
      createBatch(bad);
      check(false, "it was not refused");
    } catch (StatusRuntimeException error) {
      var details = StatusProto.fromThrowable(error).getDetailsList();
      var info = detail(details, ErrorInfo.class);
      System.out.printf("refused: %s of %s%n", info.getReason(), info.getDomain());
      for (var violation : detail(details, BadRequest.class).getFieldViolationsList()) {
        System.out.printf("  %s: %s%n", violation.getField(), violation.getDescription());
      }
    }
  }

  private static <M extends Message> M detail(List<Any> details, Class<M> type)
      throws InvalidProtocolBufferException {
    for (var detail : details) {
      if (detail.is(type)) {
        return detail.unpack(type);
      }
    }
    throw new IllegalStateException("the error has no " + type.getSimpleName());
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new IllegalStateException(otherwise);
    }
  }
}
