// The value of DATA_BACKUP_DEST_1 to _3: `LOCATION=<uri> [BINDING=MANDATORY|OPTIONAL]`, or a uri alone.
import { fail } from '../../base/errors.ts';
import type { Binding } from '../../model/archive-round.ts';

/** What the value says; a copy whose binding is not named is OPTIONAL. */
export interface DataDestAttributes {
  /** As written; `parseDestinationUri` checks it. */
  uri: string;
  binding: Binding;
}

const invalid = () => fail('INVALID_ARGUMENT', { what: 'DATA_BACKUP_DEST' });

/**
 * @returns null for an empty value, which takes the copy away
 * @throws INVALID_ARGUMENT (4002) for a repeated or unknown attribute, another binding, and without LOCATION
 */
export function parseDataDestCopy(text: string): DataDestAttributes | null {
  const parts = text.split(/\s+/).filter((part) => part !== '');
  if (parts.length === 0) return null;
  const [only] = parts;
  if (parts.length === 1 && !/^(location|binding)=/i.test(only!)) return { uri: only!, binding: 'OPTIONAL' };
  const found = new Map<string, string>();
  for (const part of parts) {
    const [, key, value] = /^(location|binding)=(.+)$/i.exec(part) ?? [];
    if (key === undefined || value === undefined || found.has(key.toUpperCase())) throw invalid();
    found.set(key.toUpperCase(), value);
  }
  const uri = found.get('LOCATION');
  const binding = (found.get('BINDING') ?? 'OPTIONAL').toUpperCase();
  if (uri === undefined || (binding !== 'MANDATORY' && binding !== 'OPTIONAL')) throw invalid();
  return { uri, binding };
}
