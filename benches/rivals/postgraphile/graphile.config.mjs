import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

// As its documentation has it for production (with NODE_ENV and GRAPHILE_ENV so named): nothing watched,
// no page of its own, queries not explained, and the schema read from the catalogue once.
export default {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: process.env.DATABASE_URL, schemas: ["public"] })],
  grafast: { explain: false },
  grafserv: {
    host: "127.0.0.1",
    port: Number(process.env.PORT),
    graphqlPath: "/graphql",
    graphiql: false,
    watch: false,
    websockets: false,
  },
};
