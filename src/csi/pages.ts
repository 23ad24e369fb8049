import { aborted, invalidArgument } from './errors.ts';

export interface PageRequest {
  readonly max_entries: number;
  readonly starting_token: string;
}

/** A page is cut here even when the caller sets no limit: a reply must stay far below the 4 MiB of a gRPC message. */
const pageEntriesMax = 1000;

/**
 * One page of sorted ids. The token is the last id of the page before, so entries that come or go in between neither
 * repeat nor hide others.
 */
export function pageOf(ids: readonly string[], request: PageRequest): { ids: string[]; nextToken: string } {
  if (request.max_entries < 0) throw invalidArgument('max_entries', 'is negative');
  const token = request.starting_token;
  // The specification wants ABORTED for a token that is not one of ours.
  if (token !== '' && !/^(?:vol|snap|member)-[0-9a-f-]+$/.test(token)) throw aborted('starting_token is not valid');
  const limit = Math.min(request.max_entries === 0 ? pageEntriesMax : request.max_entries, pageEntriesMax);
  const rest = ids.filter((id) => id > token);
  const page = rest.slice(0, limit);
  return { ids: page, nextToken: rest.length > page.length ? (page.at(-1) ?? '') : '' };
}
