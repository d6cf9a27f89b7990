// A grpc-js client against a running server: records, lists, pages, resumes, reads error details.
//
// It shares nothing with the server but the proto files. `scripts/test --only clients` runs it; by hand:
//
//     cd tests/clients/node && npm ci && npm run generate
//     INTERACTIONS_ADDR=127.0.0.1:50051 INTERACTIONS_API_KEY=sk_… INTERACTIONS_NAMESPACE=test npm test
//
// The key needs the scopes `read` and `write`. Every run records interactions of a session of its own,
// so it can be repeated in the same namespace.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { clone, create, equals, fromBinary, fromJson } from "@bufbuild/protobuf";
import { anyUnpack, timestampFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";

import { connect } from "./client.js";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "./gen/google/rpc/status_pb.js";
import { InteractionSchema } from "./gen/interactions/v1/interaction_pb.js";
import { Condition_Operator, Group_Operator, Sort_Direction } from "./gen/interactions/v1/query_pb.js";
import { InteractionService } from "./gen/interactions/v1/service_pb.js";

const { INTERACTIONS_ADDR, INTERACTIONS_API_KEY, INTERACTIONS_NAMESPACE } = process.env;

const RUN = randomUUID();
const SESSION = `node-${RUN}`;
const TYPES = ["impression", "click", "purchase", "add_to_cart"];
const START = Date.UTC(2025, 0, 1);

const CLICKS_NEAR_THE_TOP = {
  AND: [
    { field: "position", operator: "lte", value: 5 },
    { field: "interaction_type", operator: "in", value: ["click", "purchase"] },
  ],
};

// The n-th interaction of the run. Three share each timestamp; every fifth has no price.
function recorded(n) {
  const metadata = {
    title: `${n % 2 ? "Red" : "Blue"} shoes, café ${n}`,
    device: n % 3 === 0 ? "mobile" : "desktop",
    tags: n % 4 === 0 ? ["sale", "new"] : [],
    geo: { country: "DE" },
  };
  if (n % 5) metadata.price = ((n * 7) % 20) + 0.5;
  return create(InteractionSchema, {
    interactionId: `${RUN}-${String(n).padStart(3, "0")}`,
    featureId: `product-${n % 6}`,
    interactionType: [TYPES[n % TYPES.length]],
    position: n % 10,
    sessionId: SESSION,
    userId: `user-${n % 2}`,
    metadata,
    timestamp: timestampFromMs(START + 1000 * Math.floor(n / 3)),
  });
}

const RECORDED = Array.from({ length: 53 }, (_, n) => recorded(n));
// Ids and times both grow with n.
const NEWEST_FIRST = [...RECORDED].reverse();
const MATCHING = NEWEST_FIRST.filter(
  (i) => i.position <= 5 && ["click", "purchase"].includes(i.interactionType[0]),
);

const client = connect(InteractionService, INTERACTIONS_ADDR);
const access = metadata({ authorization: `Bearer ${INTERACTIONS_API_KEY}`, "x-namespace": INTERACTIONS_NAMESPACE });
let batchResults;

before(async () => {
  await promisify(client.waitForReady).call(client, Date.now() + 30_000);
  ({ results: batchResults } = await call("BatchCreateInteractions", { interactions: RECORDED }));
});
after(() => client.close());

function metadata(entries) {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

function call(method, request, as = access) {
  return promisify(client[method]).call(client, request, as, { deadline: Date.now() + 30_000 });
}

// The pages of one stream. Leaving the loop early cancels it.
async function* pages(request, as = access) {
  const stream = client.ListInteractions({ sessionId: SESSION, ...request }, as, { deadline: Date.now() + 30_000 });
  try {
    yield* stream;
  } finally {
    stream.cancel();
  }
}

async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

async function firstPage(request) {
  for await (const page of pages(request)) return page;
}

async function listIds(request) {
  return (await collect(pages(request))).flatMap((page) => ids(page.interactions));
}

function ids(interactions) {
  return interactions.map((interaction) => interaction.interactionId);
}

// Expects `promise` to fail with `code`; gives the paths of the violations that the error lists.
async function refused(promise, code) {
  const error = await promise.then(
    () => assert.fail(`expected ${status[code]}`),
    (error) => error,
  );
  assert.equal(error.code, code, error.message);
  const [encoded] = error.metadata.get("grpc-status-details-bin");
  assert.ok(encoded, "an error carries grpc-status-details-bin");
  const details = fromBinary(StatusSchema, encoded);
  assert.equal(details.code, code);
  assert.equal(details.message, error.details);
  const find = (schema) => details.details.map((any) => anyUnpack(any, schema)).find(Boolean);
  const info = find(ErrorInfoSchema);
  assert.equal(info.domain, "interactions");
  assert.match(info.reason, /^[A-Z][A-Z0-9_]+$/);
  const violations = find(BadRequestSchema)?.fieldViolations ?? [];
  for (const { field, description } of violations) assert.ok(description, `${field} is explained`);
  return violations.map(({ field }) => field).sort();
}

// Recording

test("a batch is recorded", () => {
  assert.deepEqual(ids(batchResults), ids(RECORDED));
  assert.ok(batchResults.every((result) => !result.deduplicated));
});

test("what is read is what was recorded", async () => {
  const found = await call("GetInteraction", { interactionId: RECORDED[7].interactionId });
  assert.ok(found.createdAt);
  found.createdAt = undefined;
  assert.ok(equals(InteractionSchema, found, RECORDED[7]));
});

test("the server fills in id and times", async () => {
  const made = await call("CreateInteraction", { interaction: { interactionType: ["View"] } });
  assert.match(made.interactionId, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.deepEqual(made.interactionType, ["view"]);
  assert.ok(made.timestamp && made.createdAt);
});

test("the same again is deduplicated", async () => {
  const { results } = await call("BatchCreateInteractions", { interactions: RECORDED.slice(0, 5) });
  assert.deepEqual(ids(results), ids(RECORDED.slice(0, 5)));
  assert.ok(results.every((result) => result.deduplicated));
  assert.equal((await listIds({})).length, RECORDED.length);
});

test("other content under a known id already exists", async () => {
  const changed = { ...clone(InteractionSchema, RECORDED[0]), position: 9 };
  await refused(call("CreateInteraction", { interaction: changed }), status.ALREADY_EXISTS);
});

test("a bad batch records nothing and names every item", async () => {
  const interactions = [0, -1, 2, -3].map((position, n) => ({
    interactionId: `${RUN}-bad-${n}`,
    interactionType: n === 3 ? [] : ["click"],
    position,
  }));
  const violations = await refused(call("BatchCreateInteractions", { interactions }), status.INVALID_ARGUMENT);
  assert.deepEqual(violations, [
    "interactions[1].position",
    "interactions[3].interaction_type",
    "interactions[3].position",
  ]);
  await refused(call("GetInteraction", { interactionId: `${RUN}-bad-0` }), status.NOT_FOUND);
});

// Filters, sort, search

test("filters as JSON", async () => {
  assert.deepEqual(await listIds({ filters: CLICKS_NEAR_THE_TOP }), ids(MATCHING));
});

test("filter as message", async () => {
  const condition = (field, operator, value) => ({
    kind: { case: "condition", value: { field, operator, value: fromJson(ValueSchema, value) } },
  });
  const filter = {
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
  };
  assert.deepEqual(await listIds({ filter }), ids(MATCHING));
});

test("filters below metadata", async () => {
  const filters = { "metadata.device": "MOBILE", "metadata.tags": "sale", NOT: { "metadata.price": { gt: 10 } } };
  const expected = NEWEST_FIRST.filter(
    ({ metadata: { device, tags, price } }) => device === "mobile" && tags.includes("sale") && !(price > 10),
  );
  assert.ok(expected.length > 0);
  assert.deepEqual(await listIds({ filters }), ids(expected));
});

test("sort puts missing values last both ways", async () => {
  const priced = NEWEST_FIRST.filter((i) => i.metadata.price !== undefined);
  const unpriced = NEWEST_FIRST.filter((i) => i.metadata.price === undefined);
  for (const [direction, sign] of [[Sort_Direction.ASC, 1], [Sort_Direction.DESC, -1]]) {
    const sort = [{ field: "metadata.price", direction }];
    priced.sort((a, b) => sign * (a.metadata.price - b.metadata.price) || NEWEST_FIRST.indexOf(a) - NEWEST_FIRST.indexOf(b));
    assert.deepEqual(await listIds({ sort, pageSize: 8 }), ids([...priced, ...unpriced]));
  }
});

test("search", async () => {
  const red = NEWEST_FIRST.filter((i) => i.metadata.title.startsWith("Red"));
  const blue = NEWEST_FIRST.filter((i) => i.metadata.title.startsWith("Blue"));
  assert.deepEqual(await listIds({ search: "RED sho* cafe" }), ids(red));
  assert.deepEqual(await listIds({ search: '"shoes café" -red' }), ids(blue));
  assert.deepEqual(await listIds({ search: '"café shoes"' }), []);
});

test("select", async () => {
  const page = await firstPage({ select: ["position", "metadata.geo.country"], limit: 1n });
  const { interactionId, position } = NEWEST_FIRST[0];
  const expected = create(InteractionSchema, { interactionId, position, metadata: { geo: { country: "DE" } } });
  assert.ok(equals(InteractionSchema, page.interactions[0], expected));
});

// Pages

test("pages are ordered and complete", async () => {
  for (const pageSize of [1, 7, 52, 53, 54]) {
    const all = await collect(pages({ pageSize }));
    assert.deepEqual(all.flatMap((page) => ids(page.interactions)), ids(NEWEST_FIRST));
    assert.ok(all.every((page) => page.interactions.length <= pageSize));
    assert.ok(all.slice(0, -1).every((page) => page.nextPageToken));
    assert.equal(all.at(-1).nextPageToken, "");
  }
});

test("a cancelled stream is resumed", async () => {
  const first = await firstPage({ pageSize: 10 });
  const rest = await listIds({ pageSize: 9, pageToken: first.nextPageToken });
  assert.deepEqual([...ids(first.interactions), ...rest], ids(NEWEST_FIRST));
});

test("limit ends the stream with a token", async () => {
  const limited = await collect(pages({ pageSize: 4, limit: 10n }));
  const seen = limited.flatMap((page) => ids(page.interactions));
  assert.deepEqual(seen, ids(NEWEST_FIRST.slice(0, 10)));
  const { nextPageToken } = limited.at(-1);
  assert.ok(nextPageToken);
  assert.deepEqual([...seen, ...(await listIds({ pageToken: nextPageToken }))], ids(NEWEST_FIRST));
});

test("the total comes with the first page only", async () => {
  const [first, ...rest] = await collect(pages({ pageSize: 20, limit: 45n, includeTotal: true }));
  assert.equal(first.totalSize, BigInt(RECORDED.length));
  assert.ok(rest.every((page) => page.totalSize === undefined));
});

test("count", async () => {
  const { count } = await call("CountInteractions", { sessionId: SESSION, filters: CLICKS_NEAR_THE_TOP });
  assert.equal(count, BigInt(MATCHING.length));
});

test("no match is one empty page", async () => {
  const [page, ...rest] = await collect(pages({ userId: "nobody", includeTotal: true }));
  assert.deepEqual(rest, []);
  assert.deepEqual([page.interactions.length, page.nextPageToken, page.totalSize], [0, "", 0n]);
});

// Errors

test("every violation of a filter is listed with its path", async () => {
  const filters = {
    AND: [
      { interaction_type: "click" },
      { position: { lte: "five" } },
      { OR: [] },
      { field: "colour", value: "red" },
    ],
  };
  assert.deepEqual(await refused(listIds({ filters, pageSize: -1 }), status.INVALID_ARGUMENT), [
    "filters.AND[1].position.lte",
    "filters.AND[2].OR",
    "filters.AND[3].field",
    "page_size",
  ]);
});

test("a typed filter with nothing in it is refused", async () => {
  const filter = { kind: { case: "group", value: { operator: Group_Operator.ALL_OF, filters: [{}] } } };
  const [violation, ...rest] = await refused(listIds({ filter }), status.INVALID_ARGUMENT);
  assert.match(violation, /^filter\.group\.filters\[0\]/);
  assert.deepEqual(rest, []);
});

test("a token of another request is refused", async () => {
  const { nextPageToken } = await firstPage({ pageSize: 5 });
  for (const request of [{ pageToken: nextPageToken, userId: "user-1" }, { pageToken: "nonsense" }]) {
    assert.deepEqual(await refused(listIds(request), status.INVALID_ARGUMENT), ["page_token"]);
  }
});

test("no call without a key", async () => {
  const namespace = { "x-namespace": INTERACTIONS_NAMESPACE };
  for (const entries of [namespace, { ...namespace, authorization: "Bearer sk_unknown" }]) {
    await refused(collect(pages({}, metadata(entries))), status.UNAUTHENTICATED);
  }
});

test("a namespace that does not exist is not open", async () => {
  const elsewhere = metadata({ authorization: `Bearer ${INTERACTIONS_API_KEY}`, "x-namespace": "no-such-namespace" });
  await refused(call("CountInteractions", {}, elsewhere), status.PERMISSION_DENIED);
});
