// How well a tenant is protected, and what is wrong with it in words. Pure: what it needs was read before.
import { ERRORS } from '../base/errors.ts';
import type { PieceCopy, RoundCopy } from '../model/archive-copy.ts';
import type { ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import { SCN_NONE, type Scn } from '../model/scn.ts';
import type { SetCopy } from '../model/set-copy.ts';
import type { Verification } from '../model/validate-job.ts';
import { provedPoint } from './proved-point.ts';

const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MINUTE = 60n * NS_PER_SECOND;
const NS_PER_HOUR = 60n * NS_PER_MINUTE;
const NS_PER_DAY = 24n * NS_PER_HOUR;
/** An archive is behind when it is late by so much, and by twice what its lag target allows. */
const BEHIND_NS = 10n * NS_PER_MINUTE;
const FAR_BEHIND_NS = NS_PER_HOUR;
/** A drill proves what it met: backups change, and so do the machines they lie on. */
const DRILL_AGE_DAYS = 30n;
/** Broken objects that are named; more are counted. */
const BROKEN_NAMED_MAX = 3;

/** Outcomes of a drill that say nothing about the backups. */
const NO_VERDICT: ReadonlySet<number> = new Set([
  ...[ERRORS.OUT_OF_DISK.code, ERRORS.CANCELED.code, ERRORS.BACKUP_INVALID_PASSWORD.code],
  ...[ERRORS.BACKUP_DEST_NOT_CONNECT.code, ERRORS.BACKUP_PERMISSION_DENIED.code],
  ...[ERRORS.S3_REGION_MISMATCH.code, ERRORS.INVALID_OBJECT_STORAGE_ENDPOINT.code],
]);
/** Outcomes that say that a destination was not there. */
const AWAY: ReadonlySet<number> = new Set([
  ...[ERRORS.BACKUP_DEST_NOT_CONNECT.code, ERRORS.BACKUP_PERMISSION_DENIED.code],
  ...[ERRORS.S3_REGION_MISMATCH.code, ERRORS.INVALID_OBJECT_STORAGE_ENDPOINT.code],
  ERRORS.BACKUP_FORMAT_FILE_NOT_EXIST.code,
]);

export interface ProtectionFacts {
  nowNs: bigint;
  hasArchiveDest: boolean;
  hasDataDest: boolean;
  /** The newest, with live figures; undefined for a tenant that never archived. */
  round: Pick<ArchiveRound, 'status' | 'checkpointScn'> | undefined;
  /** Why the archive does not move, or why it was interrupted; '' when all is well. */
  archiveComment: string;
  /** `archive_lag_target`; asked only when the archive is late. */
  lagTargetNs(): bigint;
  /** Copies of the running round; left out for none. */
  logCopies?: readonly LogCopyFact[];
  /** What copies hold of pieces; left out for none. */
  pieceCopies?: readonly PieceCopy[];
  sets: readonly BackupSet[];
  pieces: readonly ArchivePiece[];
  ledger: readonly Verification[];
  /** Copies of sets at further destinations. */
  copies?: readonly SetCopy[];
  windows: ReadonlyArray<{ fromScn: Scn; toScn: Scn }>;
  /** A moment as the tenant's people read it. */
  showTime(ns: bigint): string;
}

/** How one further copy of the archive stands. */
export type LogCopyFact = Pick<RoundCopy, 'destNo' | 'uri' | 'status' | 'checkpointScn' | 'comment'>;

export type ProtectionStatus = 'OK' | 'WARNING' | 'CRITICAL';

export interface Protection {
  /** SCN_NONE for each that there is not. */
  newestScn: Scn;
  provedScn: Scn;
  /** From here on every point up to the newest can be restored. */
  windowStartScn: Scn;
  lastFullNs: bigint | null;
  lastBackupNs: bigint | null;
  lastDrill: { ns: bigint; result: number } | null;
  /** Worst first; empty when all is well. */
  problems: string[];
  status: ProtectionStatus;
}

interface Problem {
  isCritical: boolean;
  text: string;
}

const critical = (text: string): Problem => ({ isCritical: true, text });
const warning = (text: string): Problem => ({ isCritical: false, text });

const newest = <T>(all: readonly T[], nsOf: (one: T) => bigint): T | undefined =>
  all.reduce<T | undefined>((last, one) => (last === undefined || nsOf(one) >= nsOf(last) ? one : last), undefined);

/** `3 d`, `5 h`, `12 min`: the largest unit that there is one of. */
function lengthText(ns: bigint): string {
  if (ns >= NS_PER_DAY) return `${ns / NS_PER_DAY} d`;
  return ns >= NS_PER_HOUR ? `${ns / NS_PER_HOUR} h` : `${ns / NS_PER_MINUTE} min`;
}

function archiveProblems(facts: ProtectionFacts): Problem[] {
  const { round, archiveComment, nowNs, hasArchiveDest } = facts;
  if (!hasArchiveDest) return [critical('no archive destination')];
  if (!round) return [critical('the log is not archived')];
  const because = archiveComment === '' ? '' : `: ${archiveComment}`;
  const { status, checkpointScn } = round;
  const since = checkpointScn === SCN_NONE ? '' : ` since ${facts.showTime(checkpointScn)}`;
  if (status === 'INTERRUPTED') return [critical(`archive is interrupted${since}${because}`)];
  if (status === 'STOP' || status === 'STOPPING') return [critical(`archive is stopped${since}`)];
  if (status === 'SUSPEND' || status === 'SUSPENDING') return [critical(`archive is suspended${since}`)];
  if (status !== 'DOING') return [warning(`archive is ${status}${because}`)];
  const lateNs = nowNs - checkpointScn;
  if (lateNs > BEHIND_NS) {
    const allowedNs = 2n * facts.lagTargetNs();
    const text = `archive is ${lengthText(lateNs)} behind${because}`;
    if (lateNs > allowedNs) return [lateNs > FAR_BEHIND_NS ? critical(text) : warning(text)];
  }
  return archiveComment === '' ? [] : [warning(`archive does not move${because}`)];
}

/** A copy that is broken, and one that is behind for as long as an archive would be called so, or says why. */
function logCopyProblems(facts: ProtectionFacts): Problem[] {
  const { logCopies = [], pieceCopies = [], nowNs, lagTargetNs } = facts;
  const broken = pieceCopies
    .filter(({ fileStatus }) => fileStatus === 'BROKEN')
    .map(({ pieceId, uri }) => `the copy of archive piece ${pieceId} at ${uri} is broken`);
  const behind = logCopies.flatMap(({ destNo, uri, status, checkpointScn, comment }) => {
    const name = `archive copy ${destNo} (${uri})`;
    const because = comment === '' ? '' : `: ${comment}`;
    if (status === 'STOP') return [];
    if (status === 'INTERRUPTED') return [warning(`${name} is broken${because}`)];
    if (status === 'SUSPEND') return [warning(`${name} is suspended`)];
    if (checkpointScn === SCN_NONE) return [warning(`${name} holds nothing of the running round${because}`)];
    const lateNs = nowNs - checkpointScn;
    if (lateNs > BEHIND_NS && lateNs > 2n * lagTargetNs())
      return [warning(`${name} is ${lengthText(lateNs)} behind${because}`)];
    return comment === '' ? [] : [warning(`${name} is behind${because}`)];
  });
  return [...behind, ...broken.slice(0, BROKEN_NAMED_MAX).map(warning)];
}

function backupProblems(facts: ProtectionFacts, lastFull: BackupSet | undefined): Problem[] {
  const { sets, windows, hasDataDest } = facts;
  const problems: Problem[] = [];
  if (!hasDataDest) problems.push(warning('no data backup destination'));
  if (!lastFull) problems.push(critical('no full backup'));
  else if (windows.length === 0) problems.push(critical('no backup set can be restored'));
  const tried = newest(
    sets.filter(({ backupType, status }) => backupType === 'FULL' && status !== 'DOING'),
    ({ startNs }) => startNs,
  );
  if (tried?.status === 'FAILED') problems.push(warning(`last full backup failed: ${tried.comment}`));
  return problems;
}

function brokenProblems({ sets, pieces }: ProtectionFacts): Problem[] {
  const names = [
    ...sets.filter((set) => set.fileStatus === 'BROKEN').map(({ backupSetId }) => `backup set ${backupSetId}`),
    ...pieces.filter((piece) => piece.fileStatus === 'BROKEN').map(({ pieceId }) => `archive piece ${pieceId}`),
  ];
  const more = names.length - BROKEN_NAMED_MAX;
  const counted = more > 0 ? [`${more} more objects are broken`] : [];
  return [...names.slice(0, BROKEN_NAMED_MAX).map((name) => `${name} is broken`), ...counted].map(warning);
}

/** Destinations that lack sets, and copies that were found damaged. */
function copyProblems({ copies = [] }: ProtectionFacts): Problem[] {
  const lacking = new Map<string, SetCopy[]>();
  for (const copy of copies) {
    const isLacking = copy.status === 'WAITING' || copy.status === 'COPYING';
    if (isLacking && copy.result !== 0) lacking.set(copy.uri, [...(lacking.get(copy.uri) ?? []), copy]);
  }
  const away = [...lacking].map(([uri, own]) => {
    const ids = own.slice(0, BROKEN_NAMED_MAX).map(({ backupSetId }) => backupSetId);
    const more = own.length > ids.length ? ` and ${own.length - ids.length} more` : '';
    return `the copy at ${uri} lacks backup set ${ids.join(', ')}${more}: ${own[0]!.comment}`;
  });
  const broken = copies
    .filter(({ status }) => status === 'BROKEN')
    .map(({ backupSetId, uri }) => `the copy of backup set ${backupSetId} at ${uri} is broken`);
  return [...away, ...broken].slice(0, BROKEN_NAMED_MAX).map(warning);
}

function drillProblems({ nowNs, sets }: ProtectionFacts, drill: Verification | undefined): Problem[] {
  if (!drill) return sets.length === 0 ? [] : [warning('no drill yet')];
  if (drill.result !== 0) {
    const text = `last drill failed: ${drill.comment}`;
    return [NO_VERDICT.has(drill.result) ? warning(text) : critical(text)];
  }
  const isOld = nowNs - drill.lastNs > DRILL_AGE_DAYS * NS_PER_DAY;
  return isOld ? [warning(`no drill in ${DRILL_AGE_DAYS} days`)] : [];
}

/** The last reading met no destination, and no backup has since. */
function awayProblems(ledger: readonly Verification[], lastBackupNs: bigint): Problem[] {
  const last = newest(ledger, ({ lastNs }) => lastNs);
  return last && AWAY.has(last.result) && last.lastNs > lastBackupNs
    ? [warning(`destination can not be reached: ${last.comment}`)]
    : [];
}

export function protectionOf(facts: ProtectionFacts): Protection {
  const { sets, windows, ledger } = facts;
  const done = sets.filter(({ status, fileStatus }) => status === 'SUCCESS' && fileStatus !== 'DELETED');
  const endOf = ({ endNs, startNs }: BackupSet) => endNs ?? startNs;
  const lastFull = newest(
    done.filter(({ backupType }) => backupType === 'FULL'),
    endOf,
  );
  const lastBackup = newest(done, endOf);
  const drill = ledger.find(({ objectType, level }) => objectType === 'TENANT' && level === 'restore');
  const window = newest(windows, ({ toScn }) => toScn);
  const found = [
    ...backupProblems(facts, lastFull),
    ...archiveProblems(facts),
    ...logCopyProblems(facts),
    ...brokenProblems(facts),
    ...copyProblems(facts),
    ...drillProblems(facts, drill),
    ...awayProblems(ledger, lastBackup ? endOf(lastBackup) : 0n),
  ];
  const problems = [...found.filter(({ isCritical }) => isCritical), ...found.filter(({ isCritical }) => !isCritical)];
  return {
    newestScn: window?.toScn ?? SCN_NONE,
    provedScn: provedPoint(facts),
    windowStartScn: window?.fromScn ?? SCN_NONE,
    lastFullNs: lastFull ? endOf(lastFull) : null,
    lastBackupNs: lastBackup ? endOf(lastBackup) : null,
    lastDrill: drill ? { ns: drill.lastNs, result: drill.result } : null,
    problems: problems.map(({ text }) => text),
    status: problems[0] ? (problems[0].isCritical ? 'CRITICAL' : 'WARNING') : 'OK',
  };
}
