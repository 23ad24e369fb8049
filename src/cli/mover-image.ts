/** Salvor's image of the same version as this command: the two must understand each other. */
export function defaultMoverImage(version: string): string {
  return `docker.io/salvor/salvor:${version}`;
}
