import { writeFile } from 'node:fs/promises';
import { referencePages } from '#cli/reference';

/** `npm run docs`: writes docs/reference from the source. */
for (const [name, page] of referencePages()) await writeFile(new URL(`reference/${name}`, import.meta.url), page);
