// Makes a folder of JavaScript of a component, which `node FOLDER/main.mjs ARGUMENT...` runs:
//
//     node transpile.mjs COMPONENT FOLDER
import { transpile, writeFiles } from '@bytecodealliance/jco-transpile';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const [component, folder] = process.argv.slice(2);
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const { files } = await transpile(component, { name: 'component', outDir: folder });
await writeFiles(files);

// Of a chunk that a read of WASI 0.3 took in part, jco 1.35 holds back the rest until another one
// arrives, if the next read asks for more than that rest. It should wait only while it has nothing.
const script = join(folder, 'component.js');
const waits = 'while (count > 0 && !pendingValues.done) {';
const waitsWhileEmpty = 'while (values.length === 0 && count > 0 && !pendingValues.done) {';
await writeFile(script, (await readFile(script, 'utf8')).replace(waits, waitsWhileEmpty));

// Node's second argument is this file, in the place of a program's own name. What is thrown is the
// program's exit status. A component for WASI 0.3 has the entry of 0.2 too, which cannot block.
await writeFile(
  join(folder, 'main.mjs'),
  `import * as component from './component.js';
try {
  await (component['wasi:cli/run@0.3.0'] ?? component.run).run();
} catch {
  process.exitCode = 1;
}
`,
);
