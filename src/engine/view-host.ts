// A child process that answers queries over system views: a runaway query is ended with the process.
import { endByKillOnly, serveParent } from '../base/child-process.ts';
import { ViewEngine } from './view-engine.ts';
import type { ViewQuery } from './view-request.ts';

const engine = new ViewEngine();

endByKillOnly();
serveParent({ query: (query: ViewQuery) => engine.run(query) });
