'use strict';

// What an API takes and answers, for people to read.

// present is a schema without the null that it takes too: who leaves a parameter
// out sends none.
function present(schema) {
  const other = schema?.anyOf?.find(one => one.type !== 'null');
  if (!other) return schema;
  const { anyOf, ...own } = schema;
  return { ...other, ...own };
}

function typeName(schema) {
  schema = present(schema);
  if (!schema) return '';
  if (schema.type === 'array') return schema.items?.type ? `list of ${typeName(schema.items)}` : 'list';
  if (schema.type === 'object' && schema.additionalProperties) return `map to ${typeName(schema.additionalProperties)}`;
  return schema.format ?? schema.type ?? 'any';
}

// between says what lies between two bounds: "1 to 5", "at least 1 item".
function between(least, most, unit = '') {
  const counted = n => (unit ? `${shown(n)} ${unit}${n === 1 ? '' : 's'}` : shown(n));
  if (least === undefined && most === undefined) return [];
  if (least === undefined) return [`at most ${counted(most)}`];
  if (most === undefined) return [`at least ${counted(least)}`];
  return [shown(least) === shown(most) ? `exactly ${counted(least)}` : `${shown(least)} to ${counted(most)}`];
}

// constraints says what a value must keep to, but for its type and its choices.
function constraints(schema) {
  const rules = [
    ...between(schema.minimum, schema.maximum),
    ...between(schema.minLength, schema.maxLength, 'character'),
    ...between(schema.minItems, schema.maxItems, 'item'),
  ];
  if (schema.exclusiveMinimum !== undefined) rules.push(`more than ${shown(schema.exclusiveMinimum)}`);
  if (schema.exclusiveMaximum !== undefined) rules.push(`less than ${shown(schema.exclusiveMaximum)}`);
  if (schema.multipleOf !== undefined) rules.push(`a multiple of ${shown(schema.multipleOf)}`);
  if (schema.pattern !== undefined) rules.push(`matches ${schema.pattern}`);
  return rules.join(', ');
}

// rows lists the properties of a schema, those of nested ones behind a path.
function rows(schema, path = '') {
  schema = present(schema);
  if (schema?.type === 'array') return rows(schema.items, `${path}[]`);
  if (schema?.additionalProperties) return rows(schema.additionalProperties, `${path}{}`);
  return Object.entries(schema?.properties ?? {}).flatMap(([name, property]) => {
    const at = path ? `${path}.${name}` : name;
    return [{ at, property: present(property), required: (schema.required ?? []).includes(name) }, ...rows(property, at)];
  });
}

// table is the properties of a schema; undefined if it has none.
function table(caption, schema, input) {
  const list = rows(schema);
  if (!list.length) return undefined;
  const columns = ['name', 'type', ...(input ? ['constraints', 'default'] : []), 'meaning'];
  const cells = ({ at, property, required }) => ({
    name: element('code', {}, at),
    type: typeName(property) + (input && !required ? ', optional' : ''),
    constraints: property.enum ? `one of ${property.enum.map(shown).join(', ')}` : constraints(property),
    default: shown(property.default),
    meaning: (property.description ?? '') + (property.example === undefined || property.default != null ? '' : ` Example: ${shown(property.example)}`),
  });
  return element('table', {}, element('caption', {}, caption),
    element('thead', {}, element('tr', {}, ...columns.map(c => element('th', { scope: 'col' }, c)))),
    element('tbody', {}, ...list.map(row => {
      const values = cells(row);
      return element('tr', {}, ...columns.map((c, i) => element(i ? 'td' : 'th', { 'data-column': c, scope: i ? undefined : 'row' }, values[c])));
    })));
}

function documentation({ input, output, operation }) {
  const answers = Object.entries(operation?.responses ?? {}).map(([status, response]) => element('tr', {},
    element('th', { scope: 'row', 'data-column': 'status' }, element('code', {}, status)),
    element('td', { 'data-column': 'meaning' }, response.description),
    element('td', { 'data-column': 'type' }, Object.keys(response.content ?? {}).join(', '))));
  const raw = element('pre', { tabindex: 0, 'aria-label': 'schemas' }, JSON.stringify({ input, output }, null, 2));
  return element('details', { class: 'documentation' }, element('summary', {}, 'Documentation'),
    table('Input', input, true) ?? element('p', {}, `Takes ${typeName(input)}${constraints(input) ? `: ${constraints(input)}` : ''}.`),
    table('Output', output, false),
    element('table', {}, element('caption', {}, 'Answers'),
      element('thead', {}, element('tr', {}, ...['status', 'meaning', 'type'].map(c => element('th', { scope: 'col' }, c)))),
      element('tbody', {}, ...answers)),
    element('details', {}, element('summary', {}, 'Schemas as JSON'), raw));
}
