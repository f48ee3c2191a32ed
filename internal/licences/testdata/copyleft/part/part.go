// Package part is under another licence than its module.
package part

import _ "example.com/own"
