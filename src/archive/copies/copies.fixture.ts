// For tests of archive copies: a world whose destinations can be away one by one.
import { fail } from '../../base/errors.ts';
import type { Destination } from '../../destination/destination.ts';
import { formatDestinationUri } from '../../model/destination-uri.ts';
import { destRequest, makeWorld, readCommits, TENANT_ID, type World } from '../archive.fixture.ts';
import type { ArchiveTiming } from '../archive-context.ts';

export const COPY_URI = 'file:///memory/copy';
export const SECOND_URI = 'file:///memory/second';

/** As long as a few tries. */
const LATE_MS = 60;

export interface CopiesWorld extends World {
  /** Uris of destinations that do not answer. */
  readonly away: Set<string>;
  /** Uris of destinations that do what they are asked to, and say that they did not. */
  readonly lying: Set<string>;
  /** Uris of destinations that carry out late what they refuse to put. */
  readonly late: Set<string>;
  /** Ends of the names of objects that they are late with; empty: of all. */
  readonly lateNames: Set<string>;
  /** Uris of destinations where nothing can be appended. */
  readonly objectStores: Set<string>;
}

type Outer = Pick<CopiesWorld, 'away' | 'lying' | 'late' | 'lateNames' | 'objectStores'>;

/** A destination that fails every call while its uri is away; what is open there fails too. */
function mayBeAway(destination: Destination, uri: string, outer: Outer): Destination {
  const { away, lying, late, lateNames, objectStores } = outer;
  const isLate = (object: string) =>
    late.has(uri) && (lateNames.size === 0 || [...lateNames].some((end) => object.endsWith(end)));
  const check = () => {
    if (away.has(uri)) throw fail('BACKUP_DEST_NOT_CONNECT', { uri, because: 'it is away' });
  };
  const guarded = <T extends object>(inner: T): T =>
    new Proxy(inner, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (name === 'can') return { ...(value as Destination['can']), append: !objectStores.has(uri) };
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          if (name !== 'close' && name !== Symbol.asyncDispose) check();
          if (name === 'put' && isLate(args[0] as string)) {
            const put = () => void Reflect.apply(value, target, args).catch(() => {});
            setTimeout(put, LATE_MS).unref();
            throw fail('BACKUP_DEST_NOT_CONNECT', { uri, because: 'it is late' });
          }
          const result = (await (value as (...of: unknown[]) => unknown).apply(target, args)) as unknown;
          if (lying.has(uri) && (name === 'append' || (name === 'put' && objectStores.has(uri))))
            throw fail('BACKUP_DEST_NOT_CONNECT', { uri, because: 'it lies' });
          const isHandle = name === 'openAppend' || name === 'openRead' || name === 'create';
          return isHandle ? guarded(result as object) : result;
        };
      },
    });
  return guarded(destination);
}

export async function makeCopiesWorld(
  options: { canAppend?: boolean; timing?: Partial<ArchiveTiming> } = {},
): Promise<CopiesWorld> {
  const outer: Outer = {
    ...{ away: new Set(), lying: new Set(), objectStores: new Set() },
    ...{ late: new Set(), lateNames: new Set() },
  };
  const world = await makeWorld({
    ...options,
    hasLeases: true,
    wrap: (destination, uri) => mayBeAway(destination, formatDestinationUri(uri), outer),
  });
  return Object.assign(world, outer);
}

/** Archives to one destination and its copies until all of them hold what is committed. */
export async function archiveWithCopies(world: World, copies: ReadonlyArray<{ destNo: number; uri: string }>) {
  await world.archive.setDest(TENANT_ID, destRequest());
  for (const { destNo, uri } of copies)
    await world.archive.setCopyDest(TENANT_ID, destNo, { uri, binding: 'OPTIONAL' });
  world.archive.enable(TENANT_ID);
  await world.untilStatus('DOING');
}

/** Waits until a copy says that it has everything that is archived. */
export async function untilInStep(world: World, destNo: number): Promise<void> {
  await world.until(() => {
    const figures = world.archive.figures(TENANT_ID);
    const copy = figures?.copies?.find((one) => one.destNo === destNo);
    return copy !== undefined && copy.status === 'DOING' && copy.checkpointScn >= (figures?.checkpointScn ?? 0n);
  }, `copy ${destNo} in step`);
}

/** Numbers of the commits that a destination holds. */
export async function commitsAt(world: World, uri: string): Promise<number[]> {
  return (await readCommits(world.destination(uri))).map(({ commitNo }) => commitNo);
}

export const numbersTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Makes commits and waits until they are acknowledged. */
export async function commitAndFlush(world: CopiesWorld, count: number): Promise<void> {
  await world.commit(count);
  let isDone = false;
  while (!isDone) {
    // While the lead changes nothing is attached.
    isDone = await world.archive.flush(TENANT_ID).then(
      () => true,
      () => new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 5)),
    );
  }
}

/** Archives to one destination and copies at `uris`, numbered from 1, until each has so many commits. */
export async function archiveInStep(world: CopiesWorld, uris: readonly string[], count: number): Promise<void> {
  const copies = uris.map((uri, index) => ({ destNo: index + 1, uri }));
  await archiveWithCopies(world, copies);
  await commitAndFlush(world, count);
  for (const { destNo } of copies) await untilInStep(world, destNo);
}
