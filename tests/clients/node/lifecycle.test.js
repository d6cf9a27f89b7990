// A grpc-js client against a running server: bulk ingest, deletion, and a stream cut short.
//
// It runs as interactions.test.js does.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";

import { connect } from "./client.js";
import { BadRequestSchema } from "./gen/google/rpc/error_details_pb.js";
import { InteractionService } from "./gen/interactions/v1/service_pb.js";

const { INTERACTIONS_ADDR, INTERACTIONS_API_KEY, INTERACTIONS_NAMESPACE } = process.env;
const RUN = randomUUID();

const client = connect(InteractionService, INTERACTIONS_ADDR);
const access = new Metadata();
access.set("authorization", `Bearer ${INTERACTIONS_API_KEY}`);
access.set("x-namespace", INTERACTIONS_NAMESPACE);

before(() => promisify(client.waitForReady).call(client, Date.now() + 30_000));
after(() => client.close());

const options = () => ({ deadline: Date.now() + 60_000 });

function call(method, request) {
  return promisify(client[method]).call(client, request, access, options());
}

function click(n, user) {
  return { interactionId: `${RUN}-${user}-${n}`, interactionType: ["click"], userId: `${RUN}-${user}`, position: n };
}

function clicks(count, user, first = 0) {
  return Array.from({ length: count }, (_, n) => click(first + n, user));
}

// Sends all batches at once, and gives the answers as they come.
async function write(batches) {
  const stream = client.WriteInteractions(access, options());
  batches.forEach((interactions, n) => stream.write({ requestId: `${n}`, interactions }));
  stream.end();
  const answers = [];
  for await (const answer of stream) answers.push(answer);
  return answers;
}

async function count(user) {
  return Number((await call("CountInteractions", { userId: `${RUN}-${user}` })).count);
}

async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

test("batches are answered in order, with a status for each item", async () => {
  const batches = [clicks(100, "bulk"), clicks(100, "bulk", 100), clicks(100, "bulk")];
  batches[1][5] = { ...batches[1][5], interactionType: [] };
  const answers = await write(batches);
  assert.deepEqual(answers.map((answer) => answer.requestId), ["0", "1", "2"]);
  assert.ok(answers[0].results.every((result) => result.status.code === status.OK && !result.deduplicated));
  assert.ok(answers[2].results.every((result) => result.status.code === status.OK && result.deduplicated));
  const refused = answers[1].results.filter((result) => result.status.code !== status.OK);
  assert.deepEqual(refused.map((result) => result.interactionId), [batches[1][5].interactionId]);
  const details = refused[0].status.details.map((detail) => anyUnpack(detail, BadRequestSchema)).filter(Boolean);
  assert.deepEqual(details[0].fieldViolations.map((violation) => violation.field), ["interactions[5].interaction_type"]);
  assert.equal(await count("bulk"), 199);
});

test("what is deleted is gone, and its id is free", async () => {
  const { interactionId } = click(0, "deleted");
  await write([clicks(2, "deleted")]);
  await call("DeleteInteraction", { interactionId });
  assert.equal(await count("deleted"), 1);
  await assert.rejects(call("DeleteInteraction", { interactionId }), { code: status.NOT_FOUND });
  await call("DeleteInteraction", { interactionId, allowMissing: true });
  const [answer] = await write([[{ ...click(0, "deleted"), position: 9 }]]);
  assert.deepEqual([answer.results[0].status.code, answer.results[0].deduplicated], [status.OK, false]);
});

test("a purge reports its progress, and ends where it is cancelled", async () => {
  await write([clicks(1000, "erased"), clicks(1000, "erased", 1000), clicks(5, "kept")]);
  const purge = (request) => client.PurgeInteractions({ userId: `${RUN}-erased`, ...request }, access, options());
  const [dry, ...more] = await collect(purge({}));
  assert.deepEqual([Number(dry.purgeCount), dry.purgeSample.length, more.length], [2000, 100, 0]);
  const stream = purge({ force: true });
  let reported = 0;
  for await (const { purgeCount } of stream) {
    reported = Number(purgeCount);
    if (reported >= 500) break;
  }
  stream.cancel();
  const left = await count("erased");
  assert.ok(left <= 2000 - reported, `${left} are left`);
  const last = (await collect(purge({ force: true }))).at(-1);
  assert.equal(last.purgeCount, last.totalCount);
  assert.deepEqual([await count("erased"), await count("kept")], [0, 5]);
});
