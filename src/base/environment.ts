// The only place that touches environment variables.

/** Value of an environment variable; undefined when it is not set or empty. */
export function environment(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** Sets a variable for a library that reads it, unless the operator has set it. */
export function setEnvironmentDefault(name: string, value: string): void {
  process.env[name] ??= value;
}
