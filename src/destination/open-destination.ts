// Opens destinations: by the uri of a statement, or by the spec that crosses a process boundary.

import { type DestinationLimits, limitsOf } from '../model/destination-options.ts';
import type { AccessKey, DestinationUri } from '../model/destination-uri.ts';
import type { Destination, DestinationSpec } from './destination.ts';
import { FileDestination } from './file-destination.ts';
import { joinDestinations } from './joined-destination.ts';
import { MemoryDestination } from './memory-destination.ts';
import { S3Destination } from './s3-destination.ts';
import { Throttle } from './throttle.ts';
import { throttledDestination } from './throttled-destination.ts';

/**
 * Opens a destination; touches nothing yet.
 * @param limits what it may be asked for, as it is at each call; left out: what its uri says
 * @param live of an object store, as it is at each request: its key, left out: that of its uri; and how long objects are
 *        locked that are written now, where `enable_worm=true` asks for it
 */
export function openDestination(
  uri: DestinationUri,
  limits?: () => DestinationLimits | undefined,
  live: { access?: (() => AccessKey | undefined) | undefined; retainMs?: () => number | undefined } = {},
): Destination {
  const destination = uri.scheme === 'file' ? new FileDestination(uri) : new S3Destination(uri, live);
  return limits ? throttledDestination(destination, new Throttle(limits)) : withinLimits(destination, limitsOf(uri));
}

/** Opens the destination that another process named. A memory destination exists in its own process only. */
export function openDestinationSpec(spec: DestinationSpec): Destination {
  switch (spec.kind) {
    case 'file':
      return withinLimits(new FileDestination({ scheme: 'file', path: spec.path, options: {} }), spec.limits);
    case 'objectStore':
      return withinLimits(new S3Destination(spec.uri, { retainMs: () => spec.retainMs }), spec.limits);
    case 'memory':
      return new MemoryDestination(spec.id);
    case 'joined':
      return joinDestinations(spec.parts.map(openDestinationSpec));
  }
}

/** What each of some processes may ask of a destination that they share. */
export function shareOf(spec: DestinationSpec, processes: number): DestinationSpec {
  if (spec.kind === 'joined') return { ...spec, parts: spec.parts.map((part) => shareOf(part, processes)) };
  if (spec.kind === 'memory' || !spec.limits) return spec;
  const { bytesPerSecond, operationsPerSecond } = spec.limits;
  const limits = {
    bytesPerSecond: bytesPerSecond && bytesPerSecond / processes,
    operationsPerSecond: operationsPerSecond && operationsPerSecond / processes,
  };
  return { ...spec, limits };
}

/** Whether it exists in this process only. */
export function isLocalSpec(spec: DestinationSpec): boolean {
  return spec.kind === 'joined' ? spec.parts.some(isLocalSpec) : spec.kind === 'memory';
}

function withinLimits(destination: Destination, limits: DestinationLimits | undefined): Destination {
  return limits ? throttledDestination(destination, new Throttle(() => limits)) : destination;
}
