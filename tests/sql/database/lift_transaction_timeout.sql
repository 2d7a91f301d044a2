SET LOCAL transaction_timeout TO 0
