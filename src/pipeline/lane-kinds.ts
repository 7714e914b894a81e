// The kinds of lanes that a worker process can open.
import { unreachable } from '../base/assert.ts';
import { createBlockPacker, type PackJob } from './block-packer.ts';
import { createBlockPlacer, type PlaceJob } from './block-placer.ts';
import type { Lane } from './lane.ts';
import { createObjectVerifier, type VerifyJob } from './object-verifier.ts';
import { createPageHasher } from './page-hasher.ts';
import type { SnapshotSource } from './pipeline.ts';

/** What a worker needs to know to open a lane; crosses to it in one message. */
export type LaneRequest =
  | { kind: 'pack'; job: PackJob }
  | { kind: 'place'; job: PlaceJob }
  | { kind: 'hash'; job: SnapshotSource }
  | { kind: 'verify'; job: VerifyJob };

export function openLane(request: LaneRequest, nextPackNo: () => Promise<number>): Lane<unknown, unknown, unknown> {
  switch (request.kind) {
    case 'pack':
      return createBlockPacker(request.job, nextPackNo);
    case 'place':
      return createBlockPlacer(request.job);
    case 'hash':
      return createPageHasher(request.job);
    case 'verify':
      return createObjectVerifier(request.job);
    default:
      return unreachable(request);
  }
}

/** Keys in a request, to be cleared by the process that they were sent to. */
export function keysOf(request: LaneRequest): Uint8Array[] {
  if (request.kind === 'pack') return request.job.dataKey ? [request.job.dataKey] : [];
  if (request.kind === 'place') return request.job.sets.flatMap(({ dataKey }) => (dataKey ? [dataKey] : []));
  if (request.kind === 'verify') return request.job.set?.dataKey ? [request.job.set.dataKey] : [];
  return [];
}

/** What crosses to a worker. Named one by one: nothing else of the object (functions, say) can or should. */
export function frozenSource(source: SnapshotSource): SnapshotSource {
  const { pageSize, pageCount, skipPage, databasePath, walPath, device, inode, walHeader, overlay } = source;
  return { pageSize, pageCount, skipPage, databasePath, walPath, device, inode, walHeader, overlay };
}
