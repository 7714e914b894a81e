// Tenants whose capture rests. Nobody but our own SQL hosts opens the file of a tenant that was created, so while none
// runs, all is archived and the files stay as they are, nothing has to be held: no reader, no timer, no destination.
//
// Why no log is lost when such a tenant is used again:
// - Rest begins only while no SQL host has the file open, so the last who closes it is the capture, whose last connection
//   only reads: it neither checkpoints nor removes the log.
// - The first who opens it then builds the wal-index anew, and in that nothing counts as checkpointed. A writer may reset
//   the log only when a checkpoint has copied all of it; SQL hosts of an archived tenant make none below a large bound.
// - So what is written before a capture is attached (a statement waits for it, but not for ever) stands in the log behind
//   what was archived. Attaching proves that byte by byte, as after any start; where it can not, that is a gap.
// - The record of the rest is removed, durably, before anything is attached or written: after a crash it is either still
//   true or not there.
import type { Scn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import type { ArchiveRest } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { ArchiveFigures } from './archive-service.ts';
import { filesAtRest } from './files-at-rest.ts';

/** Tenants whose files are looked at in one slice: some 5 ms of system calls. */
const LOOKS_PER_SLICE = 500;

/** What a server knows of its tenants' use; without it every capture stays attached. */
export interface TenantUse {
  /** Nobody but our own processes opens the tenant's file. */
  isOwn(tenant: Tenant): boolean;
  /** A process has the file open for SQL, or other work of ours needs the capture. */
  isInUse(tenantId: number): boolean;
}

/** What the decision to let a capture rest depends on. */
export interface RestFacts {
  isOwn: boolean;
  isInUse: boolean;
  pendingCommits: number;
  /** Why nothing moves; '' when all is well. */
  comment: string;
  /** Since the tenant was last used. */
  idleMs: number;
  /** Tenants whose capture is attached. */
  attached: number;
}

/** How long a tenant stays attached that nobody uses. */
export interface RestTiming {
  restAfterMs: number;
  /** Above so many attached tenants each of them rests sooner: every one has five files open. */
  attachedCalm: number;
  restAfterCrowdedMs: number;
}

export function mayRest(facts: RestFacts, timing: RestTiming): boolean {
  if (!facts.isOwn || facts.isInUse || facts.pendingCommits > 0 || facts.comment !== '') return false;
  const afterMs = facts.attached > timing.attachedCalm ? timing.restAfterCrowdedMs : timing.restAfterMs;
  return facts.idleMs >= afterMs;
}

interface AtRest {
  rest: ArchiveRest;
  location: string;
  /** The files were seen to be as recorded, in this life of the server. */
  isVerified: boolean;
}

export interface TenantsAtRestParts {
  store: Store;
  /** Somebody else has changed a tenant's files. */
  onChanged(tenantId: number): void;
}

export class TenantsAtRest {
  readonly #of: TenantsAtRestParts;
  readonly #atRest = new Map<number, AtRest>();
  /** Who is to be looked at in this round of looks. */
  #round: number[] = [];

  constructor(of: TenantsAtRestParts) {
    this.#of = of;
  }

  /** Tenants that an earlier life of the server left at rest; what its records say is still to be looked at. */
  load(isResting: (tenant: Tenant, rest: ArchiveRest) => boolean, tenants: readonly Tenant[]): void {
    const { store } = this.#of;
    const rests = new Map(store.archiveRests.find().map((rest) => [rest.tenantId, rest]));
    const stale: number[] = [];
    for (const tenant of tenants) {
      const rest = rests.get(tenant.tenantId);
      if (!rest) continue;
      if (isResting(tenant, rest))
        this.#atRest.set(tenant.tenantId, { rest, location: tenant.location, isVerified: false });
      else stale.push(tenant.tenantId);
    }
    if (stale.length === 0) return;
    store.transaction(() => {
      for (const tenantId of stale) store.archiveRests.remove({ tenantId });
    });
  }

  add(rest: ArchiveRest, location: string): void {
    this.#atRest.set(rest.tenantId, { rest, location, isVerified: true });
  }

  has(tenantId: number): boolean {
    return this.#atRest.has(tenantId);
  }

  get size(): number {
    return this.#atRest.size;
  }

  /**
   * Ends a rest, durably. Everything that was archived when it began still is.
   * @param announced every commit from now on gets a greater scn, so up to there all is archived if the files are as before
   */
  wake(tenantId: number, announced: Scn): void {
    const atRest = this.#atRest.get(tenantId);
    if (!atRest) return;
    const { rest, location } = atRest;
    const isUnchanged = filesAtRest(location)?.text === rest.files;
    const archivedScn = isUnchanged && announced > rest.checkpointScn ? announced : rest.checkpointScn;
    const { store } = this.#of;
    store.transaction(() => {
      store.archiveRests.remove({ tenantId });
      // What a view has shown as archived is not taken back while the tenant attaches.
      store.rounds.update({ tenantId, roundId: rest.roundId }, { checkpointScn: archivedScn }, { status: 'DOING' });
      const tenant = store.tenants.get({ tenantId });
      if (tenant && tenant.lastScn < archivedScn) store.tenants.update({ tenantId }, { lastScn: archivedScn });
    });
    this.#atRest.delete(tenantId);
  }

  /**
   * Like those of an idle tenant that is attached: nothing was committed, so all is archived.
   * @param announced the present, as it was stored last
   */
  figures(tenantId: number, announced: Scn): ArchiveFigures | undefined {
    const atRest = this.#atRest.get(tenantId);
    if (!atRest) return undefined;
    const { rest, isVerified } = atRest;
    const { maxScn, inputBytes, outputBytes } = rest;
    const checkpointScn = isVerified && announced > rest.checkpointScn ? announced : rest.checkpointScn;
    const idle = { pendingCommits: 0, logBytes: 0, isAttached: isVerified, comment: '' };
    return { checkpointScn, maxScn, inputBytes, outputBytes, ...idle };
  }

  /** Looks at the files of the next tenants in turn. @returns false when a round of looks is over */
  look(): boolean {
    if (this.#round.length === 0) this.#round = [...this.#atRest.keys()];
    for (const tenantId of this.#round.splice(-LOOKS_PER_SLICE)) {
      const atRest = this.#atRest.get(tenantId);
      if (!atRest) continue;
      atRest.isVerified = filesAtRest(atRest.location)?.text === atRest.rest.files;
      if (!atRest.isVerified) this.#of.onChanged(tenantId);
    }
    return this.#round.length > 0;
  }
}
