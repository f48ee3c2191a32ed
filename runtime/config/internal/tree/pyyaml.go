package tree

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Plain scalars that PyYAML's safe_load does not read as strings. It implements
// YAML 1.1 with a stricter float: "yes" is true, 010 is 8, and 1e3 is a string.
var (
	pyBool  = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)
	pyTrue  = regexp.MustCompile(`^(?i:yes|true|on)$`)
	pyInt   = regexp.MustCompile(`^[-+]?(?:0b[0-1_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$`)
	pyFloat = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)$`)
	pyInf   = regexp.MustCompile(`^[-+]?\.(?:inf|Inf|INF)$`)
	pyNaN   = regexp.MustCompile(`^\.(?:nan|NaN|NAN)$`)
	pyNull  = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
)

// AsPyYAML resolves the plain scalars below n again, as in PyYAML, which BentoML
// uses.
func (n *Node) AsPyYAML() {
	for _, item := range n.Items {
		item.AsPyYAML()
	}
	for _, e := range n.Entries {
		e.Value.AsPyYAML()
	}
	if n.Kind != Scalar && n.Kind != Null || n.Quoted {
		return
	}
	n.Kind, n.Value, n.Old = Scalar, n.Text, false
	digits := strings.ReplaceAll(n.Text, "_", "")
	switch {
	case pyNull.MatchString(n.Text):
		n.Kind, n.Value = Null, nil
	case pyBool.MatchString(n.Text):
		n.Value = pyTrue.MatchString(n.Text)
	case pyInt.MatchString(n.Text):
		if v, err := strconv.ParseInt(digits, 0, 64); err == nil {
			n.Value = v
		}
	case pyFloat.MatchString(n.Text):
		if v, err := strconv.ParseFloat(digits, 64); err == nil {
			n.Value = v
		}
	case pyInf.MatchString(n.Text):
		n.Value = math.Inf(1)
		if n.Text[0] == '-' {
			n.Value = math.Inf(-1)
		}
	case pyNaN.MatchString(n.Text):
		n.Value = math.NaN()
	}
}
