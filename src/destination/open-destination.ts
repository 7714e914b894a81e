// Opens destinations: by the uri of a statement, or by the spec that crosses a process boundary.

import type { DestinationUri } from '../model/destination-uri.ts';
import type { Destination, DestinationSpec } from './destination.ts';
import { FileDestination } from './file-destination.ts';
import { MemoryDestination } from './memory-destination.ts';

/** Opens a destination; touches nothing yet. */
export function openDestination(uri: DestinationUri): Destination {
  return new FileDestination(uri);
}

/** Opens the destination that another process named. A memory destination exists in its own process only. */
export function openDestinationSpec(spec: DestinationSpec): Destination {
  switch (spec.kind) {
    case 'file':
      return new FileDestination({ scheme: 'file', path: spec.path, options: {} });
    case 'memory':
      return new MemoryDestination(spec.id);
  }
}
