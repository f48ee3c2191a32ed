# The example service, or your own: --build-arg MAIN=./cmd/yours. A program with ekiben.Main takes the
# argument serve of CMD below, and reads the file that EKIBEN_CONFIG names, and EKIBEN_ variables.
FROM golang:1.26 AS build
ARG MAIN=./cmd/ekiben
WORKDIR /source
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /service "$MAIN"

# Only the binary and the certificate authorities.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /service /service
USER 65532:65532
EXPOSE 3000
ENTRYPOINT ["/service"]
CMD ["serve"]
