// Package inner imports a part of a module.
package inner

import _ "example.com/copyleft/part"
