// A tour of the service in TypeScript: record, list with a filter, resume, read an error, retry.
//
//     npm ci && npm run build
//     INTERACTIONS_API_KEY=sk_… INTERACTIONS_NAMESPACE=demo npm start
//
// The key needs the scopes `read` and `write`. Every run records 320 interactions in a session of its own.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";

import { credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";

import { BadRequest, ErrorInfo } from "./gen/google/rpc/error_details.js";
import { Status } from "./gen/google/rpc/status.js";
import { Interaction } from "./gen/interactions/v1/interaction.js";
import { Condition_Operator, Filter, Group_Operator } from "./gen/interactions/v1/query.js";
import {
  BatchCreateInteractionsRequest,
  type BatchCreateInteractionsResponse,
  InteractionServiceClient,
  ListInteractionsRequest,
  type ListInteractionsResponse,
  type WriteInteractionsResponse,
} from "./gen/interactions/v1/service.js";

// The library makes a call again that fails so before its first answer. It is safe where a call may be
// repeated: reads, and writes whose interactions carry ids. docs/clients.md says why no other code.
const SERVICE_CONFIG = {
  methodConfig: [
    {
      name: [{ service: "interactions.v1.InteractionService" }],
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: "0.2s",
        maxBackoff: "10s",
        backoffMultiplier: 3,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
};

// With these a list may end early and be resumed.
const RESUMABLE = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.RESOURCE_EXHAUSTED];

const { INTERACTIONS_ADDR = "127.0.0.1:50051", INTERACTIONS_API_KEY, INTERACTIONS_NAMESPACE } = process.env;

// Where the service has TLS: credentials.createSsl()
const service = new InteractionServiceClient(INTERACTIONS_ADDR, credentials.createInsecure(), {
  "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
  // A network may drop a connection that is silent, and tell nobody: this asks whether it lives.
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 20_000,
});

// What goes with every call: the key, and the namespace unless the key has a default.
const access = new Metadata();
access.set("authorization", `Bearer ${INTERACTIONS_API_KEY}`);
if (INTERACTIONS_NAMESPACE) access.set("x-namespace", INTERACTIONS_NAMESPACE);

// How long a call may take, with all its attempts.
const inTime = () => ({ deadline: Date.now() + 30_000 });

const session = `tour-${randomUUID()}`;

// The n-th interaction of the session, with an id, so that to record it again does no harm.
function sample(n: number): Interaction {
  return Interaction.fromPartial({
    interactionId: `${session}-${String(n).padStart(3, "0")}`,
    featureId: `product-${n % 7}`,
    interactionType: [["impression", "click", "purchase"][n % 3]!],
    position: n % 10,
    sessionId: session,
    metadata: { device: n % 2 ? "desktop" : "mobile", price: n / 2 },
  });
}

const samples = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => sample(from + n));

function createBatch(interactions: Interaction[]): Promise<BatchCreateInteractionsResponse> {
  const request = BatchCreateInteractionsRequest.fromPartial({ interactions });
  return new Promise((resolve, reject) =>
    service.batchCreateInteractions(request, access, inTime(), (error, response) =>
      error ? reject(error) : resolve(response),
    ),
  );
}

// Records 20 interactions in one call and 300 on a stream, and the 20 again.
async function record() {
  const created = await createBatch(samples(0, 20));

  const stream = service.writeInteractions(access, inTime());
  const send = async () => {
    for (let first = 20; first < 320; first += 100) {
      const batch = { requestId: `${first}`, interactions: samples(first, first + 100) };
      // Where the service is slower, the next batch waits for it.
      if (!stream.write(batch)) await once(stream, "drain");
    }
    stream.end();
  };
  const sent = send();
  let recorded = 0;
  for await (const { results } of stream as AsyncIterable<WriteInteractionsResponse>) {
    // Each interaction has a status of its own: what is refused does not stop its neighbours.
    recorded += results.filter((result) => result.status?.code === status.OK).length;
  }
  await sent;

  const again = await createBatch(samples(0, 20));
  const deduplicated = again.results.filter((result) => result.deduplicated).length;
  console.log(
    `recorded ${created.results.length} in a batch and ${recorded} on a stream; ` +
      `of the batch again, ${deduplicated} were there`,
  );
}

// The pages from `request.pageToken` to the end, over streams that break.
async function* pages(request: ListInteractionsRequest): AsyncGenerator<ListInteractionsResponse> {
  let pageToken = request.pageToken;
  while (true) {
    let cameFurther = false;
    const stream = service.listInteractions({ ...request, pageToken }, access);
    try {
      for await (const page of stream as AsyncIterable<ListInteractionsResponse>) {
        yield page;
        // Only this means the end: a stream that breaks has not come to it.
        if (!page.nextPageToken) return;
        pageToken = page.nextPageToken;
        cameFurther = true;
      }
    } catch (error) {
      if (!cameFurther || !RESUMABLE.includes((error as ServiceError).code)) throw error;
    } finally {
      // Where the caller has left the loop, the service stops too.
      stream.cancel();
    }
  }
}

async function ids(request: ListInteractionsRequest): Promise<string[]> {
  const found: string[] = [];
  for await (const page of pages(request)) found.push(...page.interactions.map(({ interactionId }) => interactionId));
  return found;
}

// Lists the clicks and purchases near the top, with the filter as a message and as JSON.
async function listFiltered() {
  const condition = (field: string, operator: Condition_Operator, value: unknown): Filter => ({
    kind: { $case: "condition", value: { field, operator, value } },
  });
  const filter: Filter = {
    kind: {
      $case: "group",
      value: {
        operator: Group_Operator.ALL_OF,
        filters: [
          condition("position", Condition_Operator.LTE, 5),
          condition("interaction_type", Condition_Operator.IN, ["click", "purchase"]),
        ],
        caseSensitive: undefined,
      },
    },
  };
  const typed = await ids(ListInteractionsRequest.fromPartial({ sessionId: session, filter }));

  const filters = { position: { lte: 5 }, interaction_type: ["click", "purchase"] };
  const asJson = await ids(ListInteractionsRequest.fromPartial({ sessionId: session, filters }));

  assert.deepEqual(typed, asJson);
  console.log(`found ${typed.length} clicks and purchases near the top, with either form of the filter`);
}

// Leaves a list after three pages, and goes on from there in another call.
async function resume() {
  const request = ListInteractionsRequest.fromPartial({ sessionId: session, pageSize: 25 });
  const seen: string[] = [];
  let pageToken = "";
  let read = 0;
  for await (const page of pages(request)) {
    seen.push(...page.interactions.map(({ interactionId }) => interactionId));
    pageToken = page.nextPageToken;
    read += 1;
    if (read === 3) break;
  }
  const before = seen.length;

  // The same request but for the token, which may be kept: it outlives restarts of the service.
  seen.push(...(await ids({ ...request, pageToken })));

  assert.deepEqual(seen.sort(), samples(0, 320).map(({ interactionId }) => interactionId));
  console.log(`read ${before}, left, and read ${seen.length - before} more: each of 320 once`);
}

// Sends what breaks two rules, and reads which and where from the details of the error.
async function readError() {
  const bad = [{ ...sample(0), position: -1 }, { ...sample(1), interactionType: [] }];
  const error: ServiceError = await createBatch(bad).then(
    () => assert.fail("it was not refused"),
    (error) => error,
  );
  const [encoded] = error.metadata.get("grpc-status-details-bin");
  const { details } = Status.decode(encoded as Buffer);
  const find = (type: string) => details.find(({ typeUrl }) => typeUrl === `type.googleapis.com/${type}`)?.value;
  const { reason, domain } = ErrorInfo.decode(find("google.rpc.ErrorInfo")!);
  console.log(`refused: ${reason} of ${domain}`);
  const { fieldViolations } = BadRequest.decode(find("google.rpc.BadRequest")!);
  for (const { field, description } of fieldViolations) console.log(`  ${field}: ${description}`);
}

await record();
await listFiltered();
await resume();
await readError();
service.close();
