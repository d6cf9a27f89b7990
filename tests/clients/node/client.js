// A grpc-js client for a service that protoc-gen-es generated messages for: protoc-gen-es knows the
// methods and how to encode their messages, grpc-js how to call them.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { credentials, makeGenericClientConstructor } from "@grpc/grpc-js";

export function connect(service, address) {
  const methods = service.methods.map((method) => [
    method.name,
    {
      path: `/${service.typeName}/${method.name}`,
      requestStream: ["client_streaming", "bidi_streaming"].includes(method.methodKind),
      responseStream: ["server_streaming", "bidi_streaming"].includes(method.methodKind),
      requestSerialize: (fields) => Buffer.from(toBinary(method.input, create(method.input, fields))),
      responseDeserialize: (bytes) => fromBinary(method.output, bytes),
    },
  ]);
  const Client = makeGenericClientConstructor(Object.fromEntries(methods), service.typeName);
  return new Client(address, credentials.createInsecure());
}
