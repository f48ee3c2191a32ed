'use strict';

// The form of an API: a control for each parameter, filled with its default or its
// example.

// isShort returns true if several such controls fit into a line.
const isShort = schema => Boolean(kindOf(schema) !== 'json' && (schema.type !== 'string' || schema.inPath || schema.enum || schema.format || schema.pattern || schema.maxLength <= 40));

// controls make a parameter's control by kind. json returns the JSON to send. It keeps
// the digits of a number as they were typed, because JavaScript would round them.
const controls = {
  path: (attributes, schema, value) => {
    const control = element('input', { ...attributes, value });
    return {
      control,
      json: () => {
        // A browser removes "." and ".." from every path, encoded or not.
        if (/^\.{0,2}$/.test(control.value)) throw new Error('must not be empty, "." or ".."');
        return JSON.stringify(control.value);
      },
    };
  },
  choice: (attributes, schema, value) => {
    const choices = schema.enum ?? [true, false];
    const control = element('select', attributes, ...choices.map(choice => element('option', { selected: JSON.stringify(choice) === JSON.stringify(value) }, typeof choice === 'string' ? choice : JSON.stringify(choice))));
    return { control, json: () => JSON.stringify(choices[control.selectedIndex]) };
  },
  number: (attributes, schema, value) => {
    const control = element('input', { ...attributes, type: 'number', value: JSON.stringify(value), min: JSON.stringify(schema.minimum), max: JSON.stringify(schema.maximum), step: schema.type === 'integer' ? 1 : 'any' });
    return {
      control,
      json: () => {
        if (control.value === '') throw new Error('must be a number');
        const digits = control.value.replace(/^(-?)0+(?=\d)/, '$1');
        try { JSON.parse(digits); return digits; } catch { return String(Number(digits)); }
      },
    };
  },
  text: (attributes, schema, value) => {
    const control = isShort(schema) && !/[\r\n]/.test(value) ? element('input', { ...attributes, value }) : element('textarea', { ...attributes, rows: 1 }, value ?? '');
    const filled = control.value; // the browser changes the ends of lines
    return { control, json: () => JSON.stringify(control.value === filled ? value ?? '' : control.value) };
  },
  json: (attributes, schema, value) => {
    const control = element('textarea', { ...attributes, rows: 1, spellcheck: 'false' }, JSON.stringify(value) ?? '');
    return {
      control,
      json: () => {
        try { JSON.parse(control.value); } catch (error) {
          throw new Error(`must be JSON${value === undefined ? '' : `, such as ${JSON.stringify(value)}`}`, { cause: error });
        }
        return control.value;
      },
    };
  },
};

function kindOf(schema) {
  if (schema.inPath) return 'path';
  if (schema.enum || schema.type === 'boolean') return 'choice';
  if (schema.type === 'integer' || schema.type === 'number') return 'number';
  return schema.type === 'string' ? 'text' : 'json';
}

// field returns the label, the rules and the control of a parameter. An optional one has
// a box that says whether it is sent. An edit ticks the box, and unticks it if the
// control is then empty and an empty value cannot be sent. The id has a number instead of
// the name, because a name may have spaces.
function field(id, name, schema, required) {
  const type = typeName(schema);
  schema = present(schema);
  const value = schema.default ?? schema.example;
  const rules = constraints(schema);
  const kind = kindOf(schema);
  const placeholder = value === undefined ? (rules || `no example of ${type}`) : undefined;
  const meaning = [schema.description, value === undefined ? 'Nothing is filled in: the type has no example.' : undefined].filter(Boolean).join(' ');
  const described = meaning ? `${id}-about ${id}-meaning` : `${id}-about`;
  const { control, json } = controls[kind]({ id, placeholder, 'aria-describedby': described }, schema, value);
  const sends = element('input', { type: 'checkbox' });
  sends.checked = required || schema.default != null;
  const head = element('div', { class: 'head' }, element('label', { for: id }, element('code', {}, name)),
    element('span', { class: 'faint', id: `${id}-about` }, [type, rules, schema.inPath && 'in the path'].filter(Boolean).join(' · ')),
    required ? undefined : element('label', { class: 'sends' }, sends, 'send'));
  const box = element('div', { class: `field ${isShort(schema) ? 'short' : 'long'}` }, head, control, meaning ? element('div', { class: 'meaning', id: `${id}-meaning` }, meaning) : undefined);
  const dim = () => box.classList.toggle('unsent', !sends.checked);
  sends.addEventListener('change', dim);
  const emptied = () => (kind === 'number' || kind === 'json') && control.value === '' && !control.validity.badInput;
  control.addEventListener('input', () => { sends.checked = required || !emptied(); dim(); });
  dim();
  return {
    box, name,
    // read returns the JSON to send, or undefined if the parameter is not sent.
    read: () => {
      control.removeAttribute('aria-invalid');
      if (!sends.checked) return undefined;
      try { return json(); } catch (error) {
        control.setAttribute('aria-invalid', 'true');
        control.focus();
        throw new Error(`${name}: ${error.message}`, { cause: error });
      }
    },
  };
}

// body returns the control of an input that is not a struct. It is the whole body.
function body(id, schema) {
  const type = typeName(schema);
  const example = schema.example;
  schema = present(schema);
  const { control, json } = controls[schema.type === 'string' ? 'text' : 'json']({ id }, schema, example);
  const head = element('div', { class: 'head' }, element('label', { for: id }, 'body'), faint(type));
  return { box: element('div', { class: 'field long' }, head, control), read: () => (schema.type === 'string' ? control.value : json()) };
}

// pathOf returns a function that reads a route with the values of its path fields.
const pathOf = (path, fields) => () => {
  const values = Object.fromEntries(fields.map(f => [f.name, JSON.parse(f.read())]));
  return path.replace(/\{([^}]*)\}|[^{]+/g, (part, name) => (name === undefined ? encodeURI(part) : encodeURIComponent(values[name])));
};

function form(id, route) {
  const input = route.input ?? {};
  const whole = !(input.type === 'object' && input.properties);
  const fields = whole ? [body(`${id}-body`, input)]
    : Object.entries(input.properties).map(([name, schema], index) => field(`${id}-${index}`, name, schema, (input.required ?? []).includes(name)));
  const places = (route.operation?.parameters ?? []).map((p, index) => field(`${id}-path${index}`, p.name, { ...p.schema, inPath: true, example: 'text' }, true));
  const path = pathOf(route.path, places);
  const members = () => fields.map(f => [f.name, f.read()]).filter(([, json]) => json !== undefined).map(([name, json]) => `${JSON.stringify(name)}:${json}`);
  const read = () => (whole ? fields[0].read() : `{${members().join(',')}}`);
  const send = element('button', { type: 'submit' }, 'Send');
  const stop = route.stream ? element('button', { type: 'button', 'aria-disabled': 'true' }, 'Stop') : undefined;
  const status = element('p', { role: 'status' });
  const view = responseOf(route.name);
  const say = (text, good) => { status.textContent = text; status.className = good ? 'good' : 'bad'; };
  const f = element('form', { novalidate: true }, element('div', { class: 'fields' }, ...[...places, ...fields].map(({ box }) => box)), element('div', { class: 'send' }, send, stop, status), ...view.parts);
  let leaving;
  stop?.addEventListener('click', () => leaving?.abort());
  const complete = async (response, begun) => {
    const whole = await response.blob();
    const took = performance.now() - begun;
    const timing = response.headers.get('Server-Timing');
    await view.show(whole);
    say(`${response.status} ${response.statusText} in ${took.toFixed(1)} ms${timing ? ` (${timing})` : ''}`, response.ok);
  };
  // watch shows a stream while it arrives, and says how it ended.
  const watch = async (response, begun) => {
    let first = '';
    const ended = what => `${response.status} ${response.statusText}${what} in ${(performance.now() - begun).toFixed(1)} ms${first}`;
    const { signal } = leaving;
    try {
      await view.stream(response, () => {
        first = `, first chunk after ${(performance.now() - begun).toFixed(1)} ms`;
        say(`${response.status} ${response.statusText}, receiving${first}`, true);
      });
      say(ended(''), true);
    } catch {
      say(ended(signal.aborted ? ', stopped' : ', cut off by the server'), signal.aborted);
    }
  };
  f.addEventListener('submit', async event => {
    event.preventDefault();
    if (send.ariaDisabled) return;
    send.ariaDisabled = 'true'; // a disabled button would lose the focus
    try {
      const request = [path(), read()];
      const begun = performance.now();
      leaving = new AbortController();
      if (stop) stop.ariaDisabled = null;
      const response = await fetch(request[0], { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: request[1], signal: leaving.signal });
      if (stop && response.ok) await watch(response, begun);
      else await complete(response, begun);
    } catch (error) {
      say(error.name === 'AbortError' ? 'stopped before the first chunk' : error instanceof TypeError ? 'no response: the server cannot be reached' : error.message, false);
      view.hide();
    }
    send.ariaDisabled = null;
    if (stop) stop.ariaDisabled = 'true';
  });
  return f;
}
