export { UserList as default } from "@/features/users/list";
