// Runs a tool in TypeScript: the part of the sandbox that is in one process with it.
//
// Arguments: the folder with the compiler, the folder with the tool's packages or nothing, and the descriptors that the
// job is read from and the result is written to.

import { closeSync, readSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";

const HEADER_BYTES = 4;
const { HOME } = process.env;
const [compilerFolder, packages, lifeline, result] = process.argv.slice(2);
const ts = createRequire(join(compilerFolder, "main.js"))("typescript");

function read(descriptor, length) {
  const buffer = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const count = readSync(descriptor, buffer, at, length - at, null);
    if (count === 0) process.exit(0); // nobody wants the call any more
    at += count;
  }
  return buffer;
}

function readJob() {
  const length = read(Number(lifeline), HEADER_BYTES).readUInt32BE();
  const job = JSON.parse(read(Number(lifeline), length).toString());
  closeSync(Number(lifeline));
  return job;
}

// JSON without lone halves of characters, which UTF-8 cannot hold.
function toJson(value) {
  return JSON.stringify(value, (_, item) => (typeof item === "string" ? Buffer.from(item).toString() : item));
}

function send(answer) {
  const data = Buffer.from(toJson(answer));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(data.length);
  const frame = Buffer.concat([header, data]);
  for (let at = 0; at < frame.length; ) at += writeSync(Number(result), frame, at);
}

// The functions at the top level of the source, by name, with the names of their parameters; null for a parameter that
// is taken apart.
function findFunctions(source) {
  const functions = new Map();
  const add = (name, parameters) =>
    functions.set(name, parameters.map((one) => (ts.isIdentifier(one.name) ? one.name.text : null)));
  for (const node of ts.createSourceFile("tool.ts", source, ts.ScriptTarget.Latest).statements) {
    if (ts.isFunctionDeclaration(node) && node.body && node.name) add(node.name.text, node.parameters);
    if (!ts.isVariableStatement(node)) continue;
    for (const { name, initializer } of node.declarationList.declarations) {
      const isFunction = initializer && (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer));
      if (isFunction && ts.isIdentifier(name)) add(name.text, initializer.parameters);
    }
  }
  return functions;
}

function compile(source) {
  const { outputText, diagnostics } = ts.transpileModule(source, {
    reportDiagnostics: true,
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  if (diagnostics.length) throw new SyntaxError(ts.flattenDiagnosticMessageText(diagnostics[0].messageText, " "));
  return outputText;
}

async function load(code, name) {
  const file = join(HOME, "tool.mjs");
  if (packages) symlinkSync(join(packages, "node_modules"), join(HOME, "node_modules"));
  writeFileSync(file, `${code}\nexport { ${name} as __tool };\n`);
  return (await import(pathToFileURL(file))).__tool;
}

// The value as JSON; undefined where it has no such form, as objects that hold themselves have none.
function asJson(value) {
  try {
    return toJson(value);
  } catch {
    return undefined;
  }
}

function countCharacters(text) {
  let count = 0;
  for (const _ of text) count += 1; // of text, a loop takes characters; its length counts halves of some
  return count;
}

function cut(text, limit) {
  return Array.from(text.slice(0, 2 * limit)).slice(0, limit).join("");
}

function contentParts(value) {
  const parts = Array.isArray(value) ? value : [value];
  const isContent = parts.every((part) => part?.type === "text" || part?.type === "image");
  return isContent && parts.some((part) => part.type === "image") ? parts : [];
}

// Arguments by name in the order of the parameters; a function whose only parameter is taken apart gets them whole.
function argumentsFor(parameters, job) {
  if (parameters.length === 1 && parameters[0] === null) return [job.arguments];
  for (const name of Object.keys(job.arguments)) {
    if (!parameters.includes(name)) throw new TypeError(`there is no parameter ${name}`);
  }
  return parameters.map((name) => (name === "agent_state" ? JSON.parse(job.agent_state || "null") : job.arguments[name]));
}

async function run(job) {
  const limit = job.return_char_limit;
  try {
    Object.assign(process.env, job.environment);
    const code = compile(job.source);
    const functions = findFunctions(job.source);
    const name = job.function || [...functions.keys()].pop();
    if (!functions.has(name)) throw new ReferenceError("the source defines no such function");
    const tool = await load(code, name);
    const value = await tool(...argumentsFor(functions.get(name), job));
    const parts = contentParts(value);
    const json = asJson(value);
    const own = typeof value === "string" ? value : (json ?? inspect(value));
    const text = parts.length ? parts.map((part) => part.text).filter(Boolean).join("\n") : own;
    const told = json && json.length <= limit ? json : "";
    return { value: cut(text, limit), length: countCharacters(text), parts, json: told };
  } catch (error) {
    console.error(error?.stack ?? error);
    const told = error instanceof Error ? `${error.name}: ${error.message}` : `Error: ${inspect(error)}`;
    return { error: cut(told, limit) };
  }
}

send(await run(readJob()));
process.exit(0);
