// console in Lambda's formats. A message is one framed record on standard output: several lines stay one event.
'use strict';

const { format } = require('util');
const { writeSync } = require('fs');

const JSON_FORMAT = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const LOWEST = LEVELS.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase());
const tenant = process.env.AWS_LAMBDA_TENANT_ID;

let requestId;

function writeAll(bytes) {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
    }
  }
}

function record(text) {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(16 + length);
  frame.writeUInt32BE(0xa55a0003, 0);
  frame.writeUInt32BE(length, 4);
  frame.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  frame.write(text, 16);
  writeAll(frame);
}

function jsonMessage(args) {
  if (args.length === 1 && typeof args[0] === 'object' && args[0] !== null && !(args[0] instanceof Error)) {
    return args[0];
  }
  return format(...args);
}

function errorFields(args) {
  const error = args.find((value) => value instanceof Error);
  if (!error) return {};
  return { errorType: error.name, errorMessage: error.message, stackTrace: String(error.stack || '').split('\n') };
}

function writeJson(level, args) {
  const line = { timestamp: new Date().toISOString(), level, requestId, ...(tenant ? { tenantId: tenant } : {}) };
  let text;
  try {
    text = JSON.stringify({ ...line, message: jsonMessage(args), ...errorFields(args) }, plainErrors);
  } catch (_) {
    text = JSON.stringify({ ...line, message: format(...args) });
  }
  record(text);
}

function plainErrors(_key, value) {
  if (value instanceof Error) {
    return { ...value, errorType: value.name, errorMessage: value.message, stackTrace: String(value.stack || '').split('\n') };
  }
  return typeof value === 'bigint' ? value.toString() : value;
}

function log(level, args) {
  if (JSON_FORMAT) {
    if (LOWEST >= 0 && LEVELS.indexOf(level) < LOWEST) return;
    writeJson(level, args);
  } else {
    record(`${new Date().toISOString()}\t${requestId}\t${level}\t${format(...args)}`);
  }
}

module.exports = {
  patch() {
    const methods = { log: 'INFO', info: 'INFO', debug: 'DEBUG', error: 'ERROR', warn: 'WARN', trace: 'TRACE', fatal: 'FATAL' };
    for (const name in methods) console[name] = (...args) => log(methods[name], args);
  },
  setRequest(id) { requestId = id; },
  request() { return requestId; },
  // Errors that the runtime reports: the payload as JSON behind a label.
  error(label, payload) {
    if (JSON_FORMAT) {
      record(JSON.stringify({
        timestamp: new Date().toISOString(), level: 'ERROR', requestId,
        message: { errorType: payload.errorType, errorMessage: payload.errorMessage, stackTrace: payload.trace },
      }));
    } else {
      const { trace, ...rest } = payload;
      record(`${new Date().toISOString()}\t${requestId}\tERROR\t${label} \t${JSON.stringify({ ...rest, stack: trace })}`);
    }
  },
};
