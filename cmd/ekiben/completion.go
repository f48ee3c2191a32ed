package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help shows how the command is used.
func (completionCommand) Help() string {
	return `Completes commands, flags, configuration keys and file names.

Examples:
  source <(ekiben completion bash)
  ekiben completion zsh > "${fpath[1]}/_ekiben"
  ekiben completion fish > ~/.config/fish/completions/ekiben.fish`
}

// Run prints the script for a shell.
func (c completionCommand) Run(t terminal, parsed *kong.Context) error {
	verbs := verbsOf(parsed.Model)
	script := map[string]func([]verb) string{"bash": bash, "zsh": zsh, "fish": fish}[c.Shell](verbs)
	_, err := fmt.Fprint(t.stdout, script)
	return err
}

// verb is a command with its completions.
type verb struct {
	name, help string
	flags      []option
	words      []string // values of its argument
}

// option is a flag.
type option struct {
	name   string   // with dashes
	valued bool     // it takes a value
	values []string // those that are known; none: files are completed
}

func verbsOf(model *kong.Application) []verb {
	var verbs []verb
	for _, node := range model.Leaves(true) {
		v := verb{name: node.Name, help: node.Help}
		for _, group := range node.AllFlags(true) {
			for _, flag := range group {
				v.flags = append(v.flags, optionOf(flag))
			}
		}
		for _, arg := range node.Positional {
			v.words = append(v.words, arg.EnumSlice()...)
		}
		if v.name == "explain" {
			v.words = config.Keys()
		}
		verbs = append(verbs, v)
	}
	return verbs
}

func optionOf(flag *kong.Flag) option {
	o := option{name: "--" + flag.Name, valued: !flag.IsBool()}
	switch {
	case flag.Enum != "":
		o.values = flag.EnumSlice()
	case flag.Name == "set":
		for _, key := range config.Keys() {
			o.values = append(o.values, key+"=")
		}
	}
	return o
}

func names(verbs []verb) string {
	all := make([]string, 0, len(verbs))
	for _, v := range verbs {
		all = append(all, v.name)
	}
	return strings.Join(all, " ")
}

// typed returns the names of the flags, and the values of the argument.
func (v verb) typed() string {
	var all []string
	for _, o := range v.flags {
		all = append(all, o.name)
	}
	return strings.Join(append(all, v.words...), " ")
}

// bash splits words at = too.
func bash(verbs []verb) string {
	var cases, values strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&cases, "      %s) words=%q ;;\n", v.name, v.typed())
		for _, o := range v.flags {
			if o.valued {
				fmt.Fprintf(&values, "    '%s %s') words=%q ;;\n", v.name, o.name, strings.Join(o.values, " "))
			}
		}
	}
	return `_ekiben() {
  local words="" current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
  local value=""
  if [ "$current" = "=" ]; then
    current="" value=yes
  elif [ "$before" = "=" ]; then
    before="${COMP_WORDS[COMP_CWORD-2]}" value=yes
  fi
  case "${COMP_WORDS[1]} $before" in
` + values.String() + `    *) if [ -z "$value" ]; then case "${COMP_WORDS[1]}" in
` + cases.String() + `    esac; fi ;; # the value of a key is not completed but with files
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="` + names(verbs) + ` --help"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ "${#COMPREPLY[@]}" -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
  if [[ "${COMPREPLY[0]}" == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o filenames -F _ekiben ekiben
`
}

func zsh(verbs []verb) string {
	var cases, values, list strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&list, "    '%s:%s'\n", v.name, strings.ReplaceAll(v.help, "'", "'\\''"))
		fmt.Fprintf(&cases, "      %s) compadd -- %s; _files ;;\n", v.name, v.typed())
		for _, o := range v.flags {
			if o.valued {
				fmt.Fprintf(&values, "    '%s %s') %s ;;\n", v.name, o.name, o.zsh())
			}
		}
	}
	return `#compdef ekiben
_ekiben() {
  local -a verbs
  verbs=(
` + list.String() + `  )
  if (( CURRENT == 2 )); then
    _describe command verbs
    return
  fi
  local before="${words[CURRENT-1]}"
  if compset -P '--[a-z]#='; then before="${IPREFIX%=}"; fi
  case "${words[2]} $before" in
` + values.String() + `    *) case "${words[2]}" in
` + cases.String() + `    esac ;;
  esac
}
if [ "$funcstack[1]" = "_ekiben" ]; then _ekiben "$@"; else compdef _ekiben ekiben; fi
`
}

// zsh completes the value of the flag.
func (o option) zsh() string {
	switch {
	case len(o.values) == 0:
		return "_files"
	case strings.HasSuffix(o.values[0], "="):
		return "compadd -S '' -- " + strings.Join(o.values, " ")
	}
	return "compadd -- " + strings.Join(o.values, " ")
}

func fish(verbs []verb) string {
	var b strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&b, "complete -c ekiben -n __fish_use_subcommand -f -a %s -d '%s'\n", v.name, strings.ReplaceAll(v.help, "'", "\\'"))
		for _, o := range v.flags {
			fmt.Fprintf(&b, "complete -c ekiben -n '__fish_seen_subcommand_from %s' -l %s%s\n", v.name, strings.TrimPrefix(o.name, "--"), o.fish())
		}
		if len(v.words) > 0 {
			fmt.Fprintf(&b, "complete -c ekiben -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", v.name, strings.Join(v.words, " "))
		}
	}
	return b.String()
}

// fish says whether the flag takes a value, and which.
func (o option) fish() string {
	switch {
	case !o.valued:
		return ""
	case len(o.values) == 0:
		return " -r"
	}
	return " -x -a '" + strings.Join(o.values, " ") + "'"
}
