// Errors of the runtime itself, and error payloads in the form that Lambda gives them.
'use strict';

function named(name, errorType) {
  const type = class extends Error {
    constructor(cause) {
      super(cause instanceof Error ? String(cause.message) : cause);
      if (cause instanceof Error && cause.stack) this.stack = cause.stack;
      this.errorType = errorType;
    }
  };
  Object.defineProperty(type, 'name', { value: name });
  Object.defineProperty(type.prototype, 'name', { value: errorType });
  return type;
}

const HandlerNotFound = named('HandlerNotFound', 'Runtime.HandlerNotFound');
const MalformedHandlerName = named('MalformedHandlerName', 'Runtime.MalformedHandlerName');
const UnserializableResult = named('UnserializableResult', 'Runtime.UnserializableResult');
const MalformedStreamingHandler = named('MalformedStreamingHandler', 'Runtime.MalformedStreamingHandler');

class ImportModuleError extends Error {
  constructor(cause) {
    super(`Error: ${cause.message}`);
    this.name = 'Runtime.ImportModuleError';
    this.errorType = 'Runtime.ImportModuleError';
    this.stack = `Runtime.ImportModuleError: ${this.message}\n${frames(this.stack)}`;
  }
}

class UserCodeSyntaxError extends Error {
  constructor(cause) {
    super(`SyntaxError: ${cause.message}`);
    this.name = 'Runtime.UserCodeSyntaxError';
    this.errorType = 'Runtime.UserCodeSyntaxError';
    this.stack = `Runtime.UserCodeSyntaxError: SyntaxError: ${cause.message}\n${frames(cause.stack)}`;
  }
}

class UnhandledPromiseRejection extends Error {
  constructor(reason, promise) {
    super(reason instanceof Error ? String(reason) : typeof reason === 'object' ? JSON.stringify(reason) : String(reason));
    this.name = 'Runtime.UnhandledPromiseRejection';
    this.errorType = 'Runtime.UnhandledPromiseRejection';
    this.reason = reason;
    Object.defineProperty(this, 'promise', { value: promise, enumerable: false });
    if (reason instanceof Error) this.stack = `Runtime.UnhandledPromiseRejection: ${reason}\n${frames(reason.stack)}`;
  }
}

function frames(stack) {
  const lines = String(stack || '').split('\n');
  const first = lines.findIndex((line) => line.startsWith('    at '));
  return first < 0 ? '' : lines.slice(first).join('\n');
}

function isError(value) {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

function payload(error) {
  try {
    if (isError(error)) {
      const stack = typeof error.stack === 'string' ? error.stack : '';
      return {
        errorType: error.errorType && String(error.errorType).startsWith('Runtime.') ? error.errorType : String(error.name),
        errorMessage: String(error.message),
        trace: stack.split('\n'),
      };
    }
    return { errorType: typeof error, errorMessage: error === undefined || error === null ? String(error) : error.toString(), trace: [] };
  } catch (_) {
    return { errorType: 'handled', errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack' };
  }
}

// What goes into a header must be printable.
function headerType(error) {
  const type = isError(error) ? String(error.errorType && String(error.errorType).startsWith('Runtime.') ? error.errorType : error.name) : 'Unhandled';
  return type.replace(/[^\x20-\x7e]/g, '?');
}

function xrayCause(error) {
  if (!isError(error)) return '';
  const paths = [];
  const stack = frames(error.stack).split('\n').map((line) => {
    const found = /at (?:(.*) \()?(.*?):(\d+):\d+\)?$/.exec(line.trim());
    if (!found) return { path: line.trim(), line: 0, label: '' };
    if (!paths.includes(found[2])) paths.push(found[2]);
    return { path: found[2], line: Number(found[3]), label: found[1] || 'anonymous' };
  });
  const text = JSON.stringify({ working_directory: process.cwd(), exceptions: [{ type: String(error.name), message: String(error.message), stack }], paths });
  return text.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

module.exports = {
  HandlerNotFound, MalformedHandlerName, UnserializableResult, MalformedStreamingHandler, ImportModuleError,
  UserCodeSyntaxError, UnhandledPromiseRejection, payload, headerType, xrayCause, isError,
};
