// Drives the module with TinyGo's espat driver, as it is: joins, sends a request, reads the answer,
// connects again. The driver takes answers of up to 512 bytes. main PORT SSID PASSWORD ADDRESS NUMBER
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"tinygo.org/x/drivers/espat"
	"tinygo.org/x/drivers/net"
)

// uart is what a board's UART is to the driver: reads never block.
type uart struct {
	file     *os.File
	incoming chan []byte
	ahead    []byte
}

func (u *uart) pump() {
	for {
		block := make([]byte, 4096)
		n, err := u.file.Read(block)
		if err != nil {
			return
		}
		u.incoming <- block[:n]
	}
}

func (u *uart) collect() {
	for {
		select {
		case block := <-u.incoming:
			u.ahead = append(u.ahead, block...)
		default:
			return
		}
	}
}

func (u *uart) Buffered() int {
	u.collect()
	return len(u.ahead)
}

func (u *uart) Read(to []byte) (int, error) {
	u.collect()
	n := copy(to, u.ahead)
	u.ahead = u.ahead[n:]
	return n, nil
}

func (u *uart) Write(data []byte) (int, error) {
	return u.file.Write(data)
}

func must(what string, err error) {
	if err != nil {
		fmt.Println(what+":", err)
		os.Exit(1)
	}
}

// The driver's Dial takes no dotted addresses, as its examples show.
func request(server *net.TCPAddr) string {
	conn, err := net.DialTCP("tcp", &net.TCPAddr{Port: 8080}, server)
	must("dial", err)
	_, err = conn.Write([]byte("GET /page HTTP/1.0\r\nHost: test\r\n\r\n"))
	must("write", err)
	answer := ""
	buffer := make([]byte, 512)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(answer, "the end"); {
		if time.Now().After(deadline) {
			must("read", fmt.Errorf("no whole answer: %q", answer))
		}
		n, err := conn.Read(buffer)
		must("read", err)
		answer += string(buffer[:n])
	}
	must("close", conn.Close())
	return answer
}

func main() {
	file, err := os.OpenFile(os.Args[1], os.O_RDWR, 0)
	must("open", err)
	port := &uart{file: file, incoming: make(chan []byte, 1024)}
	go port.pump()
	device := espat.New(port)
	device.Configure()
	// As in the driver's examples: it looks for the answer at once, so the first tries may fail.
	tries := 0
	for ; tries < 5 && !device.Connected(); tries++ {
		time.Sleep(100 * time.Millisecond)
	}
	if tries == 5 {
		must("AT", fmt.Errorf("no answer"))
	}
	must("join", device.ConnectToAccessPoint(os.Args[2], os.Args[3], 10*time.Second))
	address, err := device.GetClientIP()
	must("address", err)
	fmt.Println("address", address)
	number, err := strconv.Atoi(os.Args[5])
	must("port", err)
	server := &net.TCPAddr{IP: net.ParseIP(os.Args[4]), Port: number}
	for i := 0; i < 2; i++ {
		fmt.Printf("answer %q\n", request(server))
	}
}
