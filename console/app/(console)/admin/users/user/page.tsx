export { UserPage as default } from "@/features/users/user";
