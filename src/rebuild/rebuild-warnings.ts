// What CATALOG BACKUP has to say beside its counts: bounded, each a sentence that names its object.
import { ERRORS, fail, type HoldfastError, isFailure } from '../base/errors.ts';
import type { Destination } from '../destination/destination.ts';
import { formatDestinationUri } from '../model/destination-uri.ts';
import type { RebuildWarning } from './rebuild-service.ts';

/** A client shows a screen of them; a destination where more is wrong is wrong as a whole. */
const WARNINGS_MAX = 64;

export class RebuildWarnings {
  readonly #warnings: RebuildWarning[] = [];
  #left = 0;

  /** Keeps what an expected error says; anything else, or a destination that is away, ends the statement. */
  catch(error: unknown, destination: Destination): void {
    if (!isFailure(error, 'BACKUP_DATA_CORRUPT') && !isFailure(error, 'BACKUP_FILE_NOT_EXIST')) throw error;
    this.#add(error, destination);
  }

  /** An object that is missing. */
  missing(file: string, destination: Destination): void {
    this.#add(fail('BACKUP_FILE_NOT_EXIST', { file }), destination);
  }

  damaged(object: string, because: string, destination: Destination): void {
    this.#add(fail('BACKUP_DATA_CORRUPT', { object, because }), destination);
  }

  /** Something that is as it is, and was therefore left out. */
  leftOut(what: string): void {
    this.#push({ errno: ERRORS.ENTRY_EXISTS.errno, message: what });
  }

  list(): RebuildWarning[] {
    if (this.#left === 0) return this.#warnings;
    const message = `${this.#left} more like these`;
    return [...this.#warnings, { errno: ERRORS.BACKUP_DATA_CORRUPT.errno, message }];
  }

  #add(error: HoldfastError, destination: Destination): void {
    this.#push({
      errno: ERRORS[error.errorName].errno,
      message: `${error.message} (${formatDestinationUri(destination.uri)})`,
    });
  }

  #push(warning: RebuildWarning): void {
    if (this.#warnings.length < WARNINGS_MAX) this.#warnings.push(warning);
    else this.#left++;
  }
}
