// Watches one tenant's use while its capture is attached: how long nobody has needed it.
import type { Capture } from '../engine/engine-driver.ts';
import type { ArchiveContext } from './archive-context.ts';
import { mayRest } from './tenants-at-rest.ts';

export class RestWatch {
  readonly #context: ArchiveContext;
  readonly #tenantId: number;
  /** When the tenant was last seen in use. */
  #usedMs: number;
  /** Nobody but our own processes opens the file; undefined before the first look. */
  #isOwn: boolean | undefined;

  constructor(context: ArchiveContext, tenantId: number) {
    this.#context = context;
    this.#tenantId = tenantId;
    this.#usedMs = context.clock.monotonicMs();
  }

  /** Somebody needs the tenant attached. */
  noteUse(): void {
    this.#usedMs = this.#context.clock.monotonicMs();
  }

  /** @param of.attached how many tenants are attached */
  isRestDue(capture: Capture, of: { comment: string; attached: number }): boolean {
    const { store, clock, timing, use } = this.#context;
    const tenantId = this.#tenantId;
    if (!use) return false;
    if (this.#isOwn === undefined) {
      const tenant = store.tenants.get({ tenantId });
      this.#isOwn = tenant !== undefined && use.isOwn(tenant);
    }
    if (!this.#isOwn) return false;
    const { pendingCommits, comment } = capture.status();
    const isInUse = use.isInUse(tenantId);
    if (isInUse || pendingCommits > 0) this.noteUse();
    const idleMs = clock.monotonicMs() - this.#usedMs;
    const facts = { isOwn: this.#isOwn, isInUse, pendingCommits, comment: of.comment || comment, idleMs };
    return mayRest({ ...facts, attached: of.attached }, timing);
  }
}
