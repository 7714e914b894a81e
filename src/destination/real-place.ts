// Where the path of a file destination leads to once its links are followed, and which places are the server's own.
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fail } from '../base/errors.ts';
import { type DestinationUri, formatDestinationUri } from '../model/destination-uri.ts';
import { codeOf } from './file-errors.ts';

/**
 * Follows the links of a path, whose last directories need not be there yet.
 * @throws what the file system says but for directories that are missing at the end
 */
export async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || path === '/') throw error;
    return join(await realPlace(dirname(path)), basename(path));
  }
}

/**
 * No statement may put archives or sets among the server's own files, or read them as such.
 * @param path where the uri leads to, if that is another place than it says
 */
export function refuseOwnFiles(dataDir: string, uri: DestinationUri, path = uri.path): void {
  if (uri.scheme !== 'file' || (path !== dataDir && !path.startsWith(`${dataDir}/`))) return;
  const because = "it lies in the server's own data directory";
  throw fail('BACKUP_PERMISSION_DENIED', { uri: formatDestinationUri(uri), because });
}
