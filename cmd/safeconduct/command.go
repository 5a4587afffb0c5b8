package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"example.com/safeconduct/evidence"
	"github.com/spf13/cobra"
)

// The exit codes, on which scripts rely.
const (
	exitDone    = 0
	exitDamaged = 1
	exitFailed  = 2
	exitEmpty   = 3 // verify: there is no record yet
)

// Errors that say no more than the command has printed already.
var (
	errDamaged   = errors.New("the ledger is damaged, or the proof does not hold")
	errNoCommand = errors.New("no command")
)

// orDamaged returns err, or errDamaged where there is none and the ledger is damaged.
func orDamaged(err error, damaged bool) error {
	if err == nil && damaged {
		return errDamaged
	}
	return err
}

// A usageError is about the arguments, not about what they name.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// run carries out the command line args and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(behindFlags(args))
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errDamaged):
		return exitDamaged
	case errors.Is(err, errNoCommand):
		return exitFailed
	case errors.Is(err, syscall.EPIPE):
		return exitFailed // nobody reads on
	}
	fmt.Fprintln(stderr, errorLine(cmd, err))
	if errors.Is(err, evidence.ErrEmpty) {
		return exitEmpty
	}
	return exitFailed
}

// behindFlags returns the arguments, never nil, with a commitment that begins with a
// dash, as one of 64 does, behind the double dash that ends the flags.
func behindFlags(args []string) []string {
	flags, behind := []string{}, []string{}
	for i, arg := range args {
		ofFlag := i > 0 && strings.HasPrefix(args[i-1], "--") && !strings.Contains(args[i-1], "=")
		hash, err := base64.RawURLEncoding.DecodeString(arg)
		isCommitment := err == nil && len(hash) == sha256.Size
		if isCommitment && arg[0] == '-' && !ofFlag {
			behind = append(behind, arg)
		} else {
			flags = append(flags, arg)
		}
	}
	if len(behind) == 0 || slices.Contains(flags, "--") {
		return append([]string{}, args...)
	}
	return append(append(flags, "--"), behind...)
}

// errorLine returns the one line that says what went wrong in cmd.
func errorLine(cmd *cobra.Command, err error) string {
	who := strings.ReplaceAll(cmd.CommandPath(), " ", ": ")
	text := err.Error()
	for _, pkg := range []string{"collector: ", "evidence: ", "trust: ", "record: "} {
		text = strings.TrimPrefix(text, pkg)
	}
	if what, twice := strings.CutPrefix(text, cmd.Name()); twice && strings.IndexAny(what, ": ") == 0 {
		text = strings.TrimLeft(what, ": ")
	}
	var usage *usageError
	if errors.As(err, &usage) {
		text += ": see " + cmd.CommandPath() + " --help"
	}
	return who + ": " + escape(text)
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "safeconduct",
		Short: "Make keys, verify ledgers and show what stands in them",
		Long: `Safeconduct makes keys for evidence, verifies ledgers, shows what stands in
them, proves it to others and collects ledgers from other machines. It exits
with 0 if all is well, 1 if a ledger is damaged or a proof does not hold, 2 if
it could not be done, and verify with 3 if the ledger holds no record yet.`,
		Version:                    version(),
		SilenceErrors:              true,
		SilenceUsage:               true,
		DisableFlagsInUseLine:      true,
		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(stdout) // first: the completion command keeps it
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if what, _, parsing := strings.Cut(err.Error(), ": strconv."); parsing {
			return usagef("%s: it is no number that fits", what)
		}
		return &usageError{err}
	})
	root.AddCommand(newVerify(), newInspect(), newTail(), newProve(), newReveal(), newVerifyProof(),
		newCheckpoint(), newExport(), newServe(), newResend(), newKeygen(), newRotate(), newSucceed(), newErase())
	for _, cmd := range root.Commands() {
		cmd.DisableFlagsInUseLine = true // it shows those that are required
	}

	root.Args = unknownCommand
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SetOut(cmd.ErrOrStderr())
		if err := cmd.Help(); err != nil {
			return err
		}
		return errNoCommand
	}
	// Left to themselves, these two print help for what they do not know and
	// succeed.
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			cmd.Args = unknownCommand
			cmd.SuggestionsMinimumDistance = root.SuggestionsMinimumDistance
			cmd.RunE = func(*cobra.Command, []string) error { return usagef("no shell given") }
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if about, rest, err := root.Find(args); err != nil || len(rest) > 0 || about == nil {
					return usagef("no help for %q", strings.Join(args, " "))
				}
				return nil
			}
		}
	}
	return root
}

// unknownCommand checks the arguments of a command that only has subcommands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q: did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usagef("unknown command %q", args[0])
}

// wantArgs returns a check for as many arguments as there are names, which are those
// that the usage gives them.
func wantArgs(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(names) == 1 && len(args) > 1 {
			return usagef("one %s at a time, and %q is one too many", names[0], args[1])
		}
		for i, name := range names {
			switch {
			case len(args) <= i:
				return usagef("no %s given", name)
			case args[i] == "":
				return usagef("%s is empty", name)
			}
		}
		if len(args) > len(names) {
			return usagef("%q is one too many", args[len(names)])
		}
		return nil
	}
}

// version says which build this is.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return describe(info)
}

func describe(info *debug.BuildInfo) string {
	text := info.Main.Version
	if text == "" {
		text = "(devel)"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text += ", commit " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			text += " (modified)"
		}
	}
	return text + ", " + info.GoVersion
}
