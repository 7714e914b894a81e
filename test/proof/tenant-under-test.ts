// One tenant of the proof: its application, the reference of its archive, and what was learned about it so far.
import type { Application } from './application.ts';
import type { Reference } from './reference.ts';

/** What the views promised: everything up to here is archived. */
export interface Claim {
  scn: bigint;
}

/** A restore that was found right. */
export interface Verified {
  scn: bigint;
  life: string;
  n: number;
  /** SHA-256 of the whole file: the same scn gives the same bytes for ever. */
  sha256: string;
}

export interface TenantUnderTest {
  name: string;
  application: Application;
  reference: Reference;
  /** The views' newest promise; checked by the next restore of the tenant. */
  claim: Claim | undefined;
  verified: Verified[];
  /** Checked in so many rounds only. */
  everyRounds: number;
}
