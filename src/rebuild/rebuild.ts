// CATALOG BACKUP: reads what lies at a tenant's destinations and records it. Reading takes its time and holds nothing;
// recording is one short transaction.
import type { Clock } from '../base/clock.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { OpenDestination } from '../destination/destination.ts';
import type { Store } from '../store/store.ts';
import { chooseReceiver } from './choose-receiver.ts';
import { noRows } from './found-rows.ts';
import { identifySources, openSources } from './identify-sources.ts';
import { readRounds } from './read-rounds.ts';
import { readSets } from './read-sets.ts';
import type { RebuildReport, RebuildRequest, RebuildService } from './rebuild-service.ts';
import { RebuildWarnings } from './rebuild-warnings.ts';
import { recordRows } from './record-rows.ts';

export interface RebuildDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  /** Opens a destination without touching it. */
  openDestination: OpenDestination;
}

export function createRebuild(deps: RebuildDependencies): RebuildService {
  return { rebuild: (request) => rebuild(deps, request) };
}

async function rebuild(deps: RebuildDependencies, request: RebuildRequest): Promise<RebuildReport> {
  const { store, clock, log } = deps;
  const { signal, receiver } = request;
  // A tenant reads what he names with his own keys.
  const openerId = receiver.kind === 'own' ? receiver.tenantId : SYS_TENANT_ID;
  const destinations = openSources(request.uris, (uri) => deps.openDestination(uri, openerId));
  try {
    const { sources, owner } = await identifySources(destinations, receiver);
    const choose = () => chooseReceiver(store, owner, { receiver, uri: sources[0]!.uri });
    choose();
    const warnings = new RebuildWarnings();
    const rows = noRows();
    const of = { owner, rows, warnings, signal };
    for (const source of sources) {
      if (source.destKind === 'backup_data') await readSets(source, of);
      else await readRounds(source, of);
    }
    signal.throwIfAborted();
    // Reading took time: who may have the rows is asked again where they are written.
    const counts = store.transaction(() => {
      const nowNs = clock.nowNs();
      const isOfCluster = receiver.kind !== 'own';
      const recorded = recordRows({ store, tenantId: choose(), owner, sources, rows, warnings, nowNs, isOfCluster });
      const ids = { tenant_id: recorded.tenantId, source_tenant_id: owner.tenantId };
      const { sets, rounds, pieces } = recorded;
      const facts = { ...ids, sets: sets.recorded, rounds: rounds.recorded, pieces: pieces.recorded };
      store.recordEvent(nowNs, { module: 'backup_data', event: 'catalog_backup', facts });
      return recorded;
    });
    const { tenantId, sets, rounds, pieces } = counts;
    log.info('backups recorded', { tenantId, sourceTenantId: owner.tenantId, sets, rounds, pieces });
    return { ...counts, warnings: warnings.list() };
  } finally {
    for (const destination of destinations) await destination[Symbol.asyncDispose]();
  }
}
