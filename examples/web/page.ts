// A page that calls the service: record, list with a filter, resume, read an error, cancel.
//
//     npm ci && npm run build && npm start     serves it at http://127.0.0.1:5173
//     interactions serve --cors-origin http://127.0.0.1:5173
//
// The key needs the scopes `read` and `write`. Whoever can open a page can read what is in it: a key that
// every visitor may have is one of a namespace, and of scopes, that every visitor may use.

import { create, fromJson, type JsonObject } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { type Interaction, InteractionSchema } from "./gen/interactions/v1/interaction_pb.js";
import { Condition_Operator, FilterSchema, Group_Operator } from "./gen/interactions/v1/query_pb.js";
import { InteractionService, type ListInteractionsRequest, ListInteractionsRequestSchema } from "./gen/interactions/v1/service_pb.js";

// With these a list may end early and be resumed.
const RESUMABLE = [Code.Unavailable, Code.DeadlineExceeded, Code.ResourceExhausted];

// All that gRPC-Web has: calls with one request. Nothing can be sent on a stream.
type Service = Client<typeof InteractionService>;

function connect(address: string, key: string, namespace: string): Service {
  // What goes with every call: the key, and the namespace unless the key has a default.
  const access: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${key}`);
    if (namespace) request.header.set("x-namespace", namespace);
    return next(request);
  };
  return createClient(InteractionService, createGrpcWebTransport({ baseUrl: address, interceptors: [access] }));
}

// The n-th interaction of a session, with an id, so that to record it again does no harm.
function sample(session: string, n: number): Interaction {
  return create(InteractionSchema, {
    interactionId: `${session}-${String(n).padStart(3, "0")}`,
    featureId: `product-${n % 7}`,
    interactionType: [["impression", "click", "purchase"][n % 3]!],
    position: n % 10,
    sessionId: session,
    metadata: { device: n % 2 ? "desktop" : "mobile", price: n / 2 },
  });
}

const samples = (session: string, from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => sample(session, from + n));

// The pages from `request.pageToken` to the end, over streams that break.
async function* pages(service: Service, request: ListInteractionsRequest, signal?: AbortSignal) {
  let pageToken = request.pageToken;
  while (true) {
    let cameFurther = false;
    try {
      for await (const page of service.listInteractions({ ...request, pageToken }, { signal })) {
        yield page;
        // Only this means the end: a stream that breaks has not come to it.
        if (!page.nextPageToken) return;
        pageToken = page.nextPageToken;
        cameFurther = true;
      }
    } catch (error) {
      if (!cameFurther || !RESUMABLE.includes(ConnectError.from(error).code)) throw error;
    }
  }
}

async function ids(service: Service, request: ListInteractionsRequest): Promise<string[]> {
  const found: string[] = [];
  for await (const page of pages(service, request)) found.push(...page.interactions.map((one) => one.interactionId));
  return found;
}

async function record(service: Service, session: string): Promise<string> {
  let recorded = 0;
  for (let first = 0; first < 320; first += 80) {
    const { results } = await service.batchCreateInteractions({ interactions: samples(session, first, first + 80) });
    recorded += results.length;
  }
  const again = await service.batchCreateInteractions({ interactions: samples(session, 0, 80) });
  const deduplicated = again.results.filter((result) => result.deduplicated).length;
  return `recorded ${recorded} in batches; of the first batch again, ${deduplicated} were there`;
}

// Lists the clicks and purchases near the top, with the filter as a message and as JSON.
async function listFiltered(service: Service, session: string): Promise<string> {
  const condition = (field: string, operator: Condition_Operator, value: number | string[]) => ({
    kind: { case: "condition" as const, value: { field, operator, value: fromJson(ValueSchema, value) } },
  });
  const filter = create(FilterSchema, {
    kind: {
      case: "group",
      value: {
        operator: Group_Operator.ALL_OF,
        filters: [
          condition("position", Condition_Operator.LTE, 5),
          condition("interaction_type", Condition_Operator.IN, ["click", "purchase"]),
        ],
      },
    },
  });
  const typed = await ids(service, create(ListInteractionsRequestSchema, { sessionId: session, filter }));
  const filters: JsonObject = { position: { lte: 5 }, interaction_type: ["click", "purchase"] };
  const asJson = await ids(service, create(ListInteractionsRequestSchema, { sessionId: session, filters }));
  if (typed.join() !== asJson.join()) throw new Error("the forms of a filter differ");
  return `found ${typed.length} clicks and purchases near the top, with either form of the filter`;
}

// Cancels a list after three pages, and goes on from there in another call.
async function resume(service: Service, session: string): Promise<string> {
  const request = create(ListInteractionsRequestSchema, { sessionId: session, pageSize: 25 });
  const abort = new AbortController();
  const seen: string[] = [];
  let pageToken = "";
  let read = 0;
  for await (const page of pages(service, request, abort.signal)) {
    seen.push(...page.interactions.map((one) => one.interactionId));
    pageToken = page.nextPageToken;
    read += 1;
    if (read === 3) break;
  }
  // The service stops too.
  abort.abort();
  const before = seen.length;
  seen.push(...(await ids(service, { ...request, pageToken })));
  const once = new Set(seen).size;
  return `read ${before}, left, and read ${seen.length - before} more: each of ${once} once`;
}

// Sends what breaks two rules, and reads which and where from the details of the error.
async function readError(service: Service, session: string): Promise<string> {
  const bad = [
    { ...sample(session, 0), position: -1 },
    { ...sample(session, 1), interactionType: [] },
  ];
  try {
    await service.batchCreateInteractions({ interactions: bad });
  } catch (error) {
    const details = ConnectError.from(error);
    const [info] = details.findDetails(ErrorInfoSchema);
    const [request] = details.findDetails(BadRequestSchema);
    const violations = request!.fieldViolations.map(({ field, description }) => `  ${field}: ${description}`);
    return [`refused: ${info!.reason} of ${info!.domain}`, ...violations].join("\n");
  }
  throw new Error("it was not refused");
}

async function tour(address: string, key: string, namespace: string, show: (line: string) => void) {
  const service = connect(address, key, namespace);
  const session = `page-${Date.now()}-${Math.random().toString(36).slice(2)}`;
  for (const part of [record, listFiltered, resume, readError]) show(await part(service, session));
}

const output = document.querySelector("pre")!;
document.querySelector("form")!.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = (name: string) => String(new FormData(event.target as HTMLFormElement).get(name) ?? "");
  output.textContent = "";
  output.removeAttribute("data-ended");
  const show = (line: string) => output.append(`${line}\n`);
  try {
    await tour(field("address"), field("key"), field("namespace"), show);
  } catch (error) {
    show(`failed: ${error instanceof Error ? error.message : error}`);
  }
  output.dataset.ended = "";
});
