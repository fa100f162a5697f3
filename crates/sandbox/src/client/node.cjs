// The Node.js runtime client: fetches events from the Runtime API over one kept-alive connection and runs the
// handler. Files beside it: errors.cjs (error payloads), logs.cjs (console), streams.cjs (awslambda).
'use strict';

const net = require('net');
const path = require('path');
const fs = require('fs');
const { pathToFileURL } = require('url');
const errors = require('./errors.cjs');
const logs = require('./logs.cjs');
const streams = require('./streams.cjs');

const API = process.env.AWS_LAMBDA_RUNTIME_API;
const COLON = API.lastIndexOf(':');
const PREFIX = '/2018-06-01/runtime/';
const CRLF2 = Buffer.from('\r\n\r\n');

// One connection, one call at a time. Answers of the endpoint always carry a length.
class Connection {
  constructor() {
    this.waiting = null;
    this.buffer = null;
  }

  open() {
    this.socket = net.connect({ host: API.slice(0, COLON), port: Number(API.slice(COLON + 1)), noDelay: true });
    this.socket.on('data', (data) => this.take(data));
    this.socket.on('error', (error) => this.lost(error));
    this.socket.on('close', () => this.lost(new Error('the runtime endpoint is gone')));
  }

  lost(error) {
    const waiting = this.waiting;
    this.waiting = null;
    this.socket = null;
    if (waiting) waiting.reject(error);
  }

  take(data) {
    this.buffer = this.buffer === null ? data : Buffer.concat([this.buffer, data]);
    const end = this.buffer.indexOf(CRLF2);
    if (end < 0) return;
    if (this.head === undefined) {
      const lines = this.buffer.latin1Slice(0, end).split('\r\n');
      const headers = Object.create(null);
      for (let i = 1; i < lines.length; i++) {
        const colon = lines[i].indexOf(':');
        headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
      }
      this.head = { status: Number(lines[0].split(' ')[1]), headers };
    }
    const length = Number(this.head.headers['content-length'] || 0);
    const start = end + 4;
    if (this.buffer.length < start + length) return;
    const answer = { ...this.head, body: this.buffer.subarray(start, start + length) };
    this.buffer = this.buffer.length > start + length ? this.buffer.subarray(start + length) : null;
    this.head = undefined;
    const waiting = this.waiting;
    this.waiting = null;
    if (waiting) waiting.resolve(answer);
  }

  call(method, url, headers, body) {
    if (!this.socket) this.open();
    // Held only while an answer is awaited: the event loop of the handler must be able to run dry.
    this.socket.ref();
    const promise = new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    }).finally(() => this.socket && this.socket.unref());
    let head = `${method} ${PREFIX}${url} HTTP/1.1\r\nHost: ${API}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    if (body === undefined) {
      this.socket.write(`${head}\r\n`);
    } else {
      const bytes = Buffer.from(body);
      head += `Content-Length: ${bytes.length}\r\n\r\n`;
      if (bytes.length < 65536) {
        this.socket.write(Buffer.concat([Buffer.from(head, 'latin1'), bytes]));
      } else {
        this.socket.write(head, 'latin1');
        this.socket.write(bytes);
      }
    }
    return promise;
  }
}

const connection = new Connection();

function post(url, headers, body) {
  return connection.call('POST', url, { 'Content-Type': 'application/json', ...headers }, body);
}

function postError(url, error) {
  const headers = { 'Lambda-Runtime-Function-Error-Type': errors.headerType(error) };
  const cause = errors.xrayCause(error);
  if (cause.length < 1024 * 1024) headers['Lambda-Runtime-Function-XRay-Error-Cause'] = cause;
  return post(url, headers, JSON.stringify(errors.payload(error)));
}

// ---- loading the handler ----

function resolveHandler(text) {
  if (text.includes('..')) throw new errors.MalformedHandlerName(`'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const name = path.basename(text);
  const root = text.slice(0, text.length - name.length);
  const dot = name.indexOf('.');
  if (dot < 1 || dot === name.length - 1) throw new errors.MalformedHandlerName('Bad handler');
  return { root, module: name.slice(0, dot), functions: name.slice(dot + 1).split('.') };
}

async function importModule(root, moduleRoot, moduleName) {
  const base = path.resolve(root, moduleRoot, moduleName);
  if (fs.existsSync(base) && fs.statSync(base).isFile()) return require(base);
  if (fs.existsSync(`${base}.js`)) {
    if (!isModule(base)) return require(`${base}.js`);
    return import(pathToFileURL(`${base}.js`).href);
  }
  if (fs.existsSync(`${base}.mjs`)) return import(pathToFileURL(`${base}.mjs`).href);
  if (fs.existsSync(`${base}.cjs`)) return require(`${base}.cjs`);
  // Also found on NODE_PATH, as a package.
  const found = require.resolve(`./${path.join(moduleRoot, moduleName)}`.replace('././', './'), { paths: [root] });
  return require(found);
}

// The nearest package.json says what .js means.
function isModule(file) {
  for (let dir = path.dirname(file); ; dir = path.dirname(dir)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error instanceof SyntaxError) return false;
    }
    if (dir === path.dirname(dir) || dir.endsWith('node_modules')) return false;
  }
}

async function loadHandler() {
  const text = process.env._HANDLER || '';
  const root = process.env.LAMBDA_TASK_ROOT;
  const parts = resolveHandler(text);
  let module;
  try {
    module = await importModule(root, parts.root, parts.module);
  } catch (error) {
    if (error instanceof SyntaxError) throw new errors.UserCodeSyntaxError(error);
    if (error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')) {
      if (error.code === 'MODULE_NOT_FOUND' && String(error.message).startsWith(`Cannot find module './${path.join(parts.root, parts.module)}`)) {
        error.message = `Cannot find module '${parts.module}'\nRequire stack:\n- ${path.join(process.env.LAMBDA_RUNTIME_DIR, 'index.mjs')}`;
      }
      throw new errors.ImportModuleError(error);
    }
    throw error;
  }
  const find = (from) => parts.functions.reduce((value, key) => (value === undefined || value === null ? undefined : value[key]), from);
  let handler = find(module);
  if (handler === undefined && module && module.default) handler = find(module.default);
  if (handler === undefined || handler === null) throw new errors.HandlerNotFound(`${text} is undefined or not exported`);
  if (typeof handler !== 'function') throw new errors.HandlerNotFound(`${text} is not a function`);
  return handler;
}

// ---- running it ----

function parseHeader(headers, name) {
  const value = headers[name];
  return value ? JSON.parse(Buffer.from(value, 'latin1').toString('utf8')) : undefined;
}

function makeContext(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers, 'lambda-runtime-client-context'),
    identity: parseHeader(headers, 'lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  return context;
}

// Called when the event loop runs dry.
let onEmpty = null;
process.on('beforeExit', () => {
  const run = onEmpty;
  onEmpty = null;
  if (run) run();
});

// Node 24 dropped callback handlers; they keep working here.
function runBuffered(handler, event, context) {
  return new Promise((resolve) => {
    let settled = false;
    const settle = (error, result) => {
      if (settled) return;
      settled = true;
      onEmpty = null;
      resolve(error === undefined || error === null ? { result } : { error });
    };
    const callback = (error, result) => {
      if (settled) return;
      if (context.callbackWaitsForEmptyEventLoop) onEmpty = () => settle(error, result);
      else setImmediate(() => settle(error, result));
    };
    context.done = callback;
    context.succeed = (result) => { context.callbackWaitsForEmptyEventLoop = false; callback(null, result); };
    context.fail = (error) => { context.callbackWaitsForEmptyEventLoop = false; callback(error === undefined || error === null ? 'handled' : error); };
    // A handler that neither answers nor waits for anything answers null.
    onEmpty = () => settle(null, null);
    currentFail = (error) => settle(error);
    let returned;
    try {
      returned = handler(event, context, callback);
    } catch (error) {
      settle(error === undefined || error === null ? 'handled' : error);
      return;
    }
    if (returned && typeof returned.then === 'function') {
      returned.then((result) => settle(null, result), (error) => settle(error === undefined || error === null ? 'handled' : error));
    }
  });
}

let currentFail = null;

function serialize(result) {
  try {
    const text = JSON.stringify(result === undefined ? null : result);
    return text === undefined ? 'null' : text;
  } catch (error) {
    throw new errors.UnserializableResult('Unable to stringify response body as json: ' + error.message);
  }
}

async function invoke(handler, answer) {
  const headers = answer.headers;
  const id = headers['lambda-runtime-aws-request-id'];
  const trace = headers['lambda-runtime-trace-id'];
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else delete process.env._X_AMZN_TRACE_ID;
  logs.setRequest(id);
  if (handler[streams.HANDLER] === streams.STREAMING) {
    await streams.run(handler, answer, makeContext(headers), API, PREFIX, (fail) => { currentFail = fail; });
    return;
  }
  let outcome;
  try {
    outcome = await runBuffered(handler, JSON.parse(answer.body.toString('utf8') || 'null'), makeContext(headers));
    if (!('error' in outcome)) outcome.text = serialize(outcome.result);
  } catch (error) {
    outcome = { error };
  }
  currentFail = null;
  if ('error' in outcome) {
    logs.error('Invoke Error', errors.payload(outcome.error));
    await postError(`invocation/${id}/error`, outcome.error);
  } else {
    await post(`invocation/${id}/response`, {}, outcome.text);
  }
}

// ---- what escapes ----

let initializing = true;

function fatal(label, error) {
  logs.error(label, errors.payload(error));
  const id = logs.request();
  const done = () => process.exit(initializing ? 1 : 129);
  // Its own connection: the other may be in use.
  const last = new Connection();
  const url = initializing ? 'init/error' : `invocation/${id}/error`;
  const headers = { 'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': errors.headerType(error) };
  last.call('POST', url, headers, JSON.stringify(errors.payload(error))).then(done, done);
}

process.on('uncaughtException', (error) => fatal('Uncaught Exception', error));
process.on('unhandledRejection', (reason, promise) => {
  fatal('Unhandled Promise Rejection', new errors.UnhandledPromiseRejection(reason, promise));
});

async function main() {
  logs.patch();
  globalThis.awslambda = streams.awslambda;
  let handler;
  try {
    handler = await loadHandler();
  } catch (error) {
    logs.error('Uncaught Exception', errors.payload(error));
    await postError('init/error', error);
    process.exit(1);
  }
  initializing = false;
  for (;;) {
    const answer = await connection.call('GET', 'invocation/next', {});
    if (answer.status !== 200) throw new Error(`the runtime endpoint answered ${answer.status}`);
    await invoke(handler, answer);
  }
}

main().catch((error) => {
  process.stderr.write(`${error.stack || error}\n`);
  process.exit(1);
});
