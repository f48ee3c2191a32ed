'use strict';

// An API to try: a control for each parameter, filled with its default or its
// example.

// isShort is true of what several fit into a line.
const isShort = schema => Boolean(kindOf(schema) !== 'json' && (schema.type !== 'string' || schema.enum || schema.format || schema.pattern || schema.maxLength <= 40));

// controls make a parameter's control by kind. json is what is to be sent: the
// text itself where there is one, because a number may have more digits than
// JavaScript keeps.
const controls = {
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
    const filled = control.value; // in which the ends of lines are the browser's
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
  if (schema.enum || schema.type === 'boolean') return 'choice';
  if (schema.type === 'integer' || schema.type === 'number') return 'number';
  return schema.type === 'string' ? 'text' : 'json';
}

// field is a parameter: its label, what it must keep to, its control. One that
// is optional has a box that says whether it is sent, which an edit ticks, and
// unticks if nothing is left that could be sent. Its id is not made of its name,
// which may have spaces.
function field(id, name, schema, required) {
  schema = present(schema);
  const value = schema.default ?? schema.example;
  const rules = constraints(schema);
  const kind = kindOf(schema);
  const placeholder = value === undefined ? (rules || `no example of ${typeName(schema)}`) : undefined;
  const meaning = [schema.description, value === undefined ? 'Nothing is filled in: the type has no example.' : undefined].filter(Boolean).join(' ');
  const described = meaning ? `${id}-about ${id}-meaning` : `${id}-about`;
  const { control, json } = controls[kind]({ id, placeholder, 'aria-describedby': described }, schema, value);
  const sends = element('input', { type: 'checkbox' });
  sends.checked = required || schema.default != null;
  const head = element('div', { class: 'head' }, element('label', { for: id }, element('code', {}, name)),
    element('span', { class: 'faint', id: `${id}-about` }, [typeName(schema), rules].filter(Boolean).join(' · ')),
    required ? undefined : element('label', { class: 'sends' }, sends, 'send'));
  const box = element('div', { class: `field ${isShort(schema) ? 'short' : 'long'}` }, head, control, meaning ? element('div', { class: 'meaning', id: `${id}-meaning` }, meaning) : undefined);
  const dim = () => box.classList.toggle('unsent', !sends.checked);
  sends.addEventListener('change', dim);
  const emptied = () => (kind === 'number' || kind === 'json') && control.value === '' && !control.validity.badInput;
  control.addEventListener('input', () => { sends.checked = required || !emptied(); dim(); });
  dim();
  return {
    box,
    // read is the member of the body, or undefined if it is left out.
    read: () => {
      control.removeAttribute('aria-invalid');
      if (!sends.checked) return undefined;
      try { return `${JSON.stringify(name)}:${json()}`; } catch (error) {
        control.setAttribute('aria-invalid', 'true');
        control.focus();
        throw new Error(`${name}: ${error.message}`, { cause: error });
      }
    },
  };
}

// body is the control of an input that is no struct, which is the whole body.
function body(id, schema) {
  const { control, json } = controls[schema.type === 'string' ? 'text' : 'json']({ id }, schema, schema.example);
  const head = element('div', { class: 'head' }, element('label', { for: id }, 'body'), faint(typeName(schema)));
  return { box: element('div', { class: 'field long' }, head, control), read: () => (schema.type === 'string' ? control.value : json()) };
}

function form(id, route) {
  const input = route.input ?? {};
  const whole = !(input.type === 'object' && input.properties);
  const fields = whole ? [body(`${id}-body`, input)]
    : Object.entries(input.properties).map(([name, schema], index) => field(`${id}-${index}`, name, schema, (input.required ?? []).includes(name)));
  const read = () => (whole ? fields[0].read() : `{${fields.map(f => f.read()).filter(member => member !== undefined).join(',')}}`);
  const send = element('button', { type: 'submit' }, 'Send');
  const status = element('p', { role: 'status' });
  const answer = answerOf(route.name);
  const say = (text, good) => { status.textContent = text; status.className = good ? 'good' : 'bad'; };
  const f = element('form', { novalidate: true }, element('div', { class: 'fields' }, ...fields.map(({ box }) => box)), element('div', { class: 'send' }, send, status), ...answer.parts);
  f.addEventListener('submit', async event => {
    event.preventDefault();
    if (send.ariaDisabled) return;
    send.ariaDisabled = 'true'; // disabled, it would lose the focus
    const begun = performance.now();
    try {
      const response = await fetch(route.path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: read() });
      const whole = await response.blob();
      const took = performance.now() - begun;
      const timing = response.headers.get('Server-Timing');
      await answer.show(whole);
      say(`${response.status} ${response.statusText} in ${took.toFixed(1)} ms${timing ? ` (${timing})` : ''}`, response.ok);
    } catch (error) {
      say(error instanceof TypeError ? 'no answer: the server cannot be reached' : error.message, false);
      answer.hide();
    }
    send.ariaDisabled = null;
  });
  return f;
}
