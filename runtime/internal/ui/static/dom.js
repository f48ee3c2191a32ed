'use strict';

// Helpers to make and find elements.

const meta = name => document.querySelector(`meta[name=${name}]`).content;
const $ = id => document.getElementById(id);

// element makes an element. It leaves out attributes that are false or undefined,
// and children that are undefined.
function element(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) e.setAttribute(name, '');
    else if (value !== false && value !== undefined) e.setAttribute(name, value);
  }
  e.append(...children.filter(child => child !== undefined));
  return e;
}

const faint = (...children) => element('span', { class: 'faint' }, ...children);
