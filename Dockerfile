# The example service, or one of yours: --build-arg MAIN=./cmd/yours. Yours is given the arguments of
# CMD below; to be configured as the example is, by the file that EKIBEN_CONFIG names and by EKIBEN_
# variables, it runs with runtime.WithSource(config.FromEnvironment()).
FROM golang:1.26 AS build
ARG MAIN=./cmd/ekiben
WORKDIR /source
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /service "$MAIN"

# Nothing but the binary and what TLS needs.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /service /service
USER 65532:65532
EXPOSE 3000
ENTRYPOINT ["/service"]
CMD ["serve"]
