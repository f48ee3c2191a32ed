'use strict';

// The documentation of an API: its input, its output and its statuses.

// forms returns the alternatives of a schema without null. A schema without
// alternatives is its own only form.
const forms = schema => (schema?.oneOf ?? schema?.anyOf ?? [schema]).filter(one => one?.type !== 'null');

// present returns the first form of a schema: the form without null, and of a list or
// one item the list.
function present(schema) {
  if (!schema?.oneOf && !schema?.anyOf) return schema;
  const { oneOf, anyOf, ...own } = schema;
  return { ...present(forms(schema)[0]), ...own };
}

function typeName(schema) {
  if (!schema) return '';
  if (forms(schema).length > 1) return forms(schema).map(typeName).join(', or ');
  schema = present(schema);
  if (schema.type === 'array') return ['', 'any'].includes(typeName(schema.items)) ? 'list' : `list of ${typeName(schema.items)}`;
  if (schema.type === 'object' && schema.additionalProperties) return `map to ${typeName(schema.additionalProperties)}`;
  if (schema.not) return 'any other value';
  return schema.format ?? schema.type ?? 'any';
}

// ofType returns a bound, or undefined if it is only the limit of a 64-bit integer.
const ofType = (bound, ...limits) => (bound === undefined || limits.includes(shown(bound)) ? undefined : bound);

// between describes two bounds: "1 to 5", "at least 1 item".
function between(least, most, unit = '') {
  const counted = n => (unit ? `${shown(n)} ${unit}${n === 1 ? '' : 's'}` : shown(n));
  if (least === undefined && most === undefined) return [];
  if (least === undefined) return [`at most ${counted(most)}`];
  if (most === undefined) return [`at least ${counted(least)}`];
  return [shown(least) === shown(most) ? `exactly ${counted(least)}` : `${shown(least)} to ${counted(most)}`];
}

// constraints describes the rules for a value, except for its type and its choices.
function constraints(schema) {
  const rules = [
    ...between(ofType(schema.minimum, '-9223372036854775808'), ofType(schema.maximum, '9223372036854775807', '18446744073709551615')),
    ...between(schema.minLength, schema.maxLength, 'character'),
    ...between(schema.minItems, schema.maxItems, 'item'),
  ];
  if (schema.exclusiveMinimum !== undefined) rules.push(`more than ${shown(schema.exclusiveMinimum)}`);
  if (schema.exclusiveMaximum !== undefined) rules.push(`less than ${shown(schema.exclusiveMaximum)}`);
  if (schema.multipleOf !== undefined) rules.push(`a multiple of ${shown(schema.multipleOf)}`);
  if (schema.pattern !== undefined) rules.push(`matches ${schema.pattern}`);
  return rules.join(', ');
}

// rows lists the properties of a schema. A nested property has a path for a name.
function rows(schema, path = '') {
  schema = present(schema);
  if (schema?.type === 'array') return rows(schema.items, `${path}[]`);
  if (schema?.additionalProperties) return rows(schema.additionalProperties, `${path}{}`);
  return Object.entries(schema?.properties ?? {}).flatMap(([name, property]) => {
    const at = path ? `${path}.${name}` : name;
    return [{ at, property, required: (schema.required ?? []).includes(name) }, ...rows(property, at)];
  });
}

// table returns a table of a schema's properties, or undefined if it has none.
function table(caption, schema, input) {
  const list = rows(schema);
  if (!list.length) return undefined;
  const columns = ['name', 'type', ...(input ? ['constraints', 'default'] : []), 'meaning'];
  const cells = ({ at, property, required }) => ({
    name: element('code', {}, at),
    type: typeName(property) + (input && !required ? ', optional' : ''),
    constraints: present(property).enum ? `one of ${present(property).enum.map(shown).join(', ')}` : constraints(present(property)),
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
  const parameters = operation?.parameters ?? [];
  const responses = Object.entries(operation?.responses ?? {}).map(([status, response]) => element('tr', {},
    element('th', { scope: 'row', 'data-column': 'status' }, element('code', {}, status)),
    element('td', { 'data-column': 'meaning' }, response.description),
    element('td', { 'data-column': 'type' }, Object.keys(response.content ?? {}).join(', '))));
  const raw = element('pre', { tabindex: 0, 'aria-label': 'schemas' }, JSON.stringify({ input, output }, null, 2));
  return element('details', { class: 'documentation' }, element('summary', {}, 'Documentation'),
    parameters.length ? table('Path', { properties: Object.fromEntries(parameters.map(p => [p.name, p.schema])), required: parameters.map(p => p.name) }, true) : undefined,
    table('Input', input, true) ?? element('p', {}, `Takes ${typeName(input)}${constraints(input) ? `: ${constraints(input)}` : ''}.`),
    table('Output', output, false),
    element('table', {}, element('caption', {}, 'Responses'),
      element('thead', {}, element('tr', {}, ...['status', 'meaning', 'type'].map(c => element('th', { scope: 'col' }, c)))),
      element('tbody', {}, ...responses)),
    element('details', {}, element('summary', {}, 'Schemas as JSON'), raw));
}
