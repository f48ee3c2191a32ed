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
	flags      []string // with dashes
	words      []string // values of its argument
}

func verbsOf(model *kong.Application) []verb {
	var verbs []verb
	for _, node := range model.Leaves(true) {
		v := verb{name: node.Name, help: node.Help}
		for _, group := range node.AllFlags(true) {
			for _, flag := range group {
				v.flags = append(v.flags, "--"+flag.Name)
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

func names(verbs []verb) string {
	all := make([]string, 0, len(verbs))
	for _, v := range verbs {
		all = append(all, v.name)
	}
	return strings.Join(all, " ")
}

func bash(verbs []verb) string {
	var cases strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&cases, "    %s) words=%q ;;\n", v.name, strings.Join(append(v.flags, v.words...), " "))
	}
	return `_ekiben() {
  local words current="${COMP_WORDS[COMP_CWORD]}"
  case "${COMP_WORDS[1]}" in
` + cases.String() + `  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="` + names(verbs) + ` --help"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ "${#COMPREPLY[@]}" -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _ekiben ekiben
`
}

func zsh(verbs []verb) string {
	var cases, list strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&list, "    '%s:%s'\n", v.name, strings.ReplaceAll(v.help, "'", "'\\''"))
		fmt.Fprintf(&cases, "    %s) compadd -- %s; _files ;;\n", v.name, strings.Join(append(v.flags, v.words...), " "))
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
  case "${words[2]}" in
` + cases.String() + `  esac
}
if [ "$funcstack[1]" = "_ekiben" ]; then _ekiben "$@"; else compdef _ekiben ekiben; fi
`
}

func fish(verbs []verb) string {
	var b strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&b, "complete -c ekiben -n __fish_use_subcommand -f -a %s -d '%s'\n", v.name, strings.ReplaceAll(v.help, "'", "\\'"))
		for _, flag := range v.flags {
			fmt.Fprintf(&b, "complete -c ekiben -n '__fish_seen_subcommand_from %s' -l %s\n", v.name, strings.TrimPrefix(flag, "--"))
		}
		if len(v.words) > 0 {
			fmt.Fprintf(&b, "complete -c ekiben -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", v.name, strings.Join(v.words, " "))
		}
	}
	return b.String()
}
