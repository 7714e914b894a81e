// What crosses between the server and its capture host. Everything here survives a structured clone.
import type { LogSeal } from '../../format/tenant-key.ts';
import type { Scn } from '../../model/scn.ts';
import type {
  CapturedBatch,
  CaptureRepair,
  EngineFacts,
  LogOwner,
  LogPinStatus,
  LogPosition,
  Snapshot,
} from '../engine-driver.ts';

export interface AttachArgument {
  /** Given by the server, unique in it. */
  captureId: number;
  location: string;
  owner: LogOwner;
  resume: LogPosition | null;
  repair: CaptureRepair | null;
  pageMapPath: string | null;
  afterScn: Scn;
  lagTargetMs: number;
  seal: LogSeal | null;
  cutScn: Scn;
  /** How many batches may be on their way at once. */
  batchesMax: number;
}

export interface AttachAnswer {
  startScn: Scn;
}

export interface PinArgument {
  /** Given by the server, unique in it. */
  pinId: number;
  location: string;
}

/** Figures of one pin, sent when they changed. */
export interface PinReport extends LogPinStatus {
  pinId: number;
}

export interface DeliverArgument {
  captureId: number;
  batch: CapturedBatch;
}

export interface GapArgument {
  captureId: number;
  because: string;
}

/** Figures of one capture, sent when they changed. */
export interface CaptureReport {
  captureId: number;
  /** Nothing is pending: everything up to the sweep's scn is at the destination. */
  isIdle: boolean;
  maxScn: Scn;
  pendingCommits: number;
  logBytes: number;
  comment: string;
}

/** After each sweep: idle captures that sent no report are idle still. */
export interface SweepNote {
  /** Every idle capture has seen everything up to here; its later commits get a greater scn. */
  scn: Scn;
  reports: CaptureReport[];
}

export interface SnapshotAnswer extends Omit<Snapshot, 'close' | 'facts'> {
  snapshotId: number;
  facts: EngineFacts;
}

/** How long the write locks of all tenants of a host were held, and how its rotations went. */
export interface LockFigures {
  count: number;
  rotations: number;
  seals: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}
