package main

import (
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// A socket belongs to the network namespace in which it was opened, whoever holds it later. So one process listens
// on the machine's loopback, moves into the lab's namespace by becoming nsenter, and connects from there:
// no interface and no route joins the two.

const firstDescriptor = 3

func listen(addresses, command []string) {
	files := make([]*os.File, 0, len(addresses))
	for _, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			fatal("%v", err)
		}
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			fatal("%v", err)
		}
		files = append(files, file)
	}
	for i, file := range files {
		// Two steps, or a target number could still be the source of a later one.
		high, err := duplicateAbove(int(file.Fd()), firstDescriptor+len(files)+64)
		if err != nil {
			fatal("%v", err)
		}
		files[i] = os.NewFile(uintptr(high), "listener")
	}
	for i, file := range files {
		if err := syscall.Dup3(int(file.Fd()), firstDescriptor+i, 0); err != nil {
			fatal("%v", err)
		}
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		fatal("%v", err)
	}
	fatal("cannot become %s: %v", path, syscall.Exec(path, command, os.Environ()))
}

// duplicateAbove copies a descriptor to the lowest free number at or above the floor, closed on exec.
func duplicateAbove(fd, floor int) (int, error) {
	got, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, uintptr(floor))
	if errno != 0 {
		return 0, errno
	}
	return int(got), nil
}

func forward(targets []string) {
	var all sync.WaitGroup
	for i, target := range targets {
		listener, err := net.FileListener(os.NewFile(uintptr(firstDescriptor+i), "listener"))
		if err != nil {
			fatal("descriptor %d: %v", firstDescriptor+i, err)
		}
		all.Go(func() {
			for {
				client, err := listener.Accept()
				if err != nil {
					fatal("%v", err)
				}
				go connect(client.(*net.TCPConn), target)
			}
		})
	}
	all.Wait()
}

// connect copies both ways (splice(2) underneath) and passes on each half's end; a target that refuses closes the client.
func connect(client *net.TCPConn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { copyHalf(server.(*net.TCPConn), client) })
	both.Go(func() { copyHalf(client, server.(*net.TCPConn)) })
	both.Wait()
}

func copyHalf(to, from *net.TCPConn) {
	_, err := io.Copy(to, from)
	if err != nil {
		// A broken half must not look like a complete one.
		_ = to.SetLinger(0)
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}
