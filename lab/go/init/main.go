// lab-init is what the lab needs below Node, in one small static binary: the first process of a PID namespace,
// the pause process of a pod sandbox, and loopback ports that lead from the machine into the lab.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: lab-init init -- COMMAND...     run COMMAND as the only service of this PID namespace; reap orphans; end with it
       lab-init pause                  do nothing until SIGTERM; reap orphans
       lab-init listen ADDR... -- COMMAND...   open the ports here, then become COMMAND with them as descriptors 3, 4, ...
       lab-init forward ADDR...        connect what arrives on descriptors 3, 4, ... to these addresses`

func main() {
	mode, args := "", []string{}
	if len(os.Args) > 1 {
		mode, args = os.Args[1], os.Args[2:]
	}
	switch mode {
	case "init":
		_, command := split(args)
		os.Exit(supervise(command))
	case "pause":
		os.Exit(reapUntil(0))
	case "listen":
		addresses, command := split(args)
		listen(addresses, command)
	case "forward":
		forward(args)
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}

// split cuts the arguments at "--".
func split(args []string) ([]string, []string) {
	for i, arg := range args {
		if arg == "--" && i+1 < len(args) {
			return args[:i], args[i+1:]
		}
	}
	fatal("a command after -- is needed")
	return nil, nil
}

// supervise starts the command with the descriptors 0 to 3 of this process (3 is the machine's network namespace)
// and returns its exit code. When this process ends, the kernel ends everything else in the PID namespace.
func supervise(command []string) int {
	pid, err := syscall.ForkExec(command[0], command, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2, 3}})
	if err != nil {
		fatal("cannot start %s: %v", command[0], err)
	}
	return reapUntil(pid)
}

// reapUntil waits for every child that ends, adopted ones too, until the given one has; signals to end are passed on to it.
// With 0 it ends at the first signal.
func reapUntil(main int) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	for {
		for {
			var status syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
			if err == syscall.EINTR {
				continue
			}
			if err != nil || pid == 0 {
				break
			}
			if pid == main {
				return status.ExitStatus()
			}
		}
		if got := (<-signals).(syscall.Signal); got != syscall.SIGCHLD {
			if main == 0 {
				return 0
			}
			_ = syscall.Kill(main, got)
		}
	}
}

func fatal(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "lab-init: "+format+"\n", args...)
	os.Exit(1)
}
