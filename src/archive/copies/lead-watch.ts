// Watches whether a tenant's leading destination takes what is archived, and lets a copy lead when it does not for too long.
import { fail, isFailure } from '../../base/errors.ts';
import type { ArchiveRound } from '../../model/archive-round.ts';
import type { ArchiveContext } from '../archive-context.ts';
import type { HeldRound } from '../held-round.ts';
import { changeLead } from './change-lead.ts';
import type { Copies } from './copies.ts';

/** Failures of a step that say that the destination is not there, or is full. */
const AWAY = [
  'BACKUP_DEST_NOT_CONNECT',
  'BACKUP_PERMISSION_DENIED',
  'BACKUP_DEVICE_OUT_OF_SPACE',
  'BACKUP_FORMAT_FILE_NOT_EXIST',
  'BACKUP_FORMAT_FILE_NOT_MATCH',
] as const;

export interface LeadWatchParts {
  context: ArchiveContext;
  held: HeldRound;
  copies: Copies;
  tenantId: number;
}

export class LeadWatch {
  readonly #of: LeadWatchParts;
  /** Since when the leading destination has taken nothing. */
  #sinceMs: number | undefined;
  /** The last step failed because of it. */
  #isFailing = false;
  /** The destination that leads next. */
  #next: number | undefined;

  constructor(of: LeadWatchParts) {
    this.#of = of;
  }

  get isDue(): boolean {
    return this.#next !== undefined;
  }

  noteStep(error?: unknown): void {
    this.#isFailing = AWAY.some((name) => isFailure(error, name));
  }

  /** To be called about once a second. @returns true when another destination is to lead */
  look(): boolean {
    const { context, held, copies, tenantId } = this.#of;
    const nowMs = context.clock.monotonicMs();
    this.#sinceMs = held.isRefused || this.#isFailing ? (this.#sinceMs ?? nowMs) : undefined;
    this.#next = this.#sinceMs === undefined ? undefined : copies.successor(tenantId, { awayMs: this.#awayMs });
    return this.isDue;
  }

  get #awayMs(): number {
    return this.#sinceMs === undefined ? 0 : this.#of.context.clock.monotonicMs() - this.#sinceMs;
  }

  /** Lets go of the capture; it is attached anew where the copy leads, or where it was when the copy lacks a batch. */
  async change(round: ArchiveRound): Promise<void> {
    const { context, held, copies, tenantId } = this.#of;
    let destId = this.#next;
    this.#next = undefined;
    const because = held.comment;
    // What is not archived yet is held all the time.
    await held.pin(round);
    await held.attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}), { isAbandoned: true });
    await held.close();
    // A last batch may have been acknowledged since, or the copy be away, too: then another one may lead.
    while (destId !== undefined && !(await copies.giveUp(tenantId, destId)))
      destId = copies.successor(tenantId, { awayMs: this.#awayMs });
    if (destId === undefined) return;
    const now = held.round ?? round;
    changeLead(context, now, { destId, because });
    // Whatever either role has still on its way is of an older writer from here on.
    for (const { uri } of [now, held.round ?? now]) context.leases.retire({ tenantId, uri });
    held.forgetComment();
    this.#sinceMs = undefined;
    this.#isFailing = false;
    copies.kick(tenantId);
  }
}
