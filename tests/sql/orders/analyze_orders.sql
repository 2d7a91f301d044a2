ANALYZE orders, customers, addresses
