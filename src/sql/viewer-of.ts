// A session as the catalog sees it.
import type { Viewer } from '../catalog/viewer.ts';
import { rightsOf } from './rights.ts';
import type { Session } from './session.ts';
import { listVariables, type VariableSources } from './variables.ts';

export function viewerOf(sources: VariableSources, session: Session): Viewer {
  const { tenantId, tenantName, mode, user, database } = session;
  return {
    tenantId,
    tenantName,
    mode,
    user,
    rights: rightsOf(sources, session),
    database,
    variables: (scope) => listVariables(sources, session, scope),
  };
}
