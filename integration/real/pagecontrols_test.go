package real

import "fmt"

// control is an expression: the control of a parameter, by its label.
func control(api int, name string) string {
	return fmt.Sprintf(`[...$('api%d').querySelectorAll('form label')].find(l => l.textContent === %q).control`, api, name)
}

// sent is the box that says whether a parameter is sent; null without one.
func sent(api int, name string) string {
	return control(api, name) + `.closest('.field').querySelector('.sends input')`
}

// described is what a control is said to be; it throws if some of it is missing.
func described(api int, name string) string {
	return control(api, name) + `.getAttribute('aria-describedby').split(' ').map(id => $(id).textContent).join('|')`
}

// change sets a control as whoever sits in front of it does.
func (b *tab) change(api int, name, value string) {
	b.t.Helper()
	b.text(fmt.Sprintf(`((control) => { control.value = %q; control.dispatchEvent(new Event('input', { bubbles: true })); })(%s)`, value, control(api, name)))
}
