// LIKE of SHOW statements: `%` any text, `_` one character, `\` takes the next one literally; letter case is ignored.

const ESCAPE = '\\';

interface Step {
  kind: 'text' | 'one' | 'any';
  character: string;
}

function toSteps(pattern: string): Step[] {
  const steps: Step[] = [];
  const characters = [...pattern.toLowerCase()];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === ESCAPE && i + 1 < characters.length) steps.push({ kind: 'text', character: characters[++i]! });
    else if (character === '%') steps.push({ kind: 'any', character });
    else steps.push({ kind: character === '_' ? 'one' : 'text', character });
  }
  return steps;
}

/**
 * A test for texts that match a pattern. Going back only to the newest `%` keeps it within length times length, however
 * the pattern is written.
 */
export function likeMatcher(pattern: string): (text: string) => boolean {
  const steps = toSteps(pattern);
  return (text) => {
    const characters = [...text.toLowerCase()];
    let at = 0;
    let step = 0;
    let retryStep = -1;
    let retryAt = 0;
    while (at < characters.length) {
      const current = steps[step];
      if (current?.kind === 'any') {
        retryStep = step++;
        retryAt = at;
      } else if (current && (current.kind === 'one' || current.character === characters[at])) {
        step++;
        at++;
      } else if (retryStep >= 0) {
        step = retryStep + 1;
        at = ++retryAt;
      } else {
        return false;
      }
    }
    return steps.slice(step).every(({ kind }) => kind === 'any');
  };
}
