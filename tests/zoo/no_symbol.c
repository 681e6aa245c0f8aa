/* verify: file.symbol FAILED has no function chat_entry_v1 */
int something_else(void);
int something_else(void) {
    return 1;
}
