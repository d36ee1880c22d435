// Makes a folder of JavaScript of a component, which `node FOLDER/main.mjs ARGUMENT...` runs:
//
//     node transpile.mjs COMPONENT FOLDER
import { transpile, writeFiles } from '@bytecodealliance/jco-transpile';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const [component, folder] = process.argv.slice(2);
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const { files } = await transpile(component, { name: 'component', outDir: folder });
await writeFiles(files);
// Node's second argument is this file, in the place of a program's own name. What is thrown is the
// program's exit status.
await writeFile(
  join(folder, 'main.mjs'),
  `import { run } from './component.js';
try {
  run.run();
} catch {
  process.exitCode = 1;
}
`,
);
